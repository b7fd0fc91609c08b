# A program of psycopg's: parameters of several types, server-side cursors, COPY,
# an own write, a rollback.  It prints what it reads, and knows of no cache.
import io
import sys

import psycopg2
import psycopg2.extras

conn = psycopg2.connect(sys.argv[1])
cur = conn.cursor()


def show(*args):
    print(*args)


for again in range(3):
    cur.execute("SELECT id, v, n, tags FROM items WHERE id = %s", (1,))
    show(cur.fetchall(), [c.name for c in cur.description])
    cur.execute("SELECT count(*), sum(n) FROM items WHERE v LIKE %s AND tags && %s", ("item%", ["a"]))
    show(cur.fetchone())
    cur.execute("SELECT v FROM items WHERE id = ANY(%s) ORDER BY id", ([3, 1, 2],))
    show(cur.fetchmany(2), cur.fetchall())
    conn.commit()

# server-side cursors: named ones are declared without NO SCROLL
for scrollable in (None, False):
    for again in range(2):
        with conn.cursor(name="c", scrollable=scrollable) as named:
            named.itersize = 7
            named.execute("SELECT id FROM items WHERE n > %s ORDER BY id", (4,))
            show(sum(row[0] for row in named))
        conn.commit()

# a write is seen by who wrote, and by all who come after
cur.execute("UPDATE items SET v = %s WHERE id = %s", ("changed", 1))
cur.execute("SELECT v FROM items WHERE id = %s", (1,))
show(cur.fetchone())
conn.rollback()
cur.execute("SELECT v FROM items WHERE id = %s", (1,))
show(cur.fetchone())
conn.commit()
other = psycopg2.connect(sys.argv[1])
other.autocommit = True
for i in range(5):
    with other.cursor() as c:
        c.execute("UPDATE items SET n = n + 1 WHERE id = 1")
    cur.execute("SELECT n FROM items WHERE id = 1")
    show(cur.fetchone())
    conn.commit()
psycopg2.extras.execute_values(cur, "INSERT INTO items (id, v, n, tags) VALUES %s", [(1000 + i, "new", i, ["z"]) for i in range(3)])
conn.commit()
cur.copy_expert("COPY items (id, v, n, tags) FROM STDIN", io.StringIO("2000\tcopied\t1\t{z}\n"))
conn.commit()
for again in range(2):
    cur.execute("SELECT id, v FROM items WHERE tags @> ARRAY['z'] ORDER BY id")
    show(cur.fetchall())
    out = io.StringIO()
    cur.copy_expert("COPY (SELECT count(*) FROM items) TO STDOUT", out)
    show(out.getvalue().strip())
    conn.commit()
cur.execute("DELETE FROM items WHERE id >= 1000")
conn.commit()
cur.execute("SELECT count(*) FROM items")
show(cur.fetchone())
cur.execute("UPDATE items SET n = n - 5 WHERE id = 1")
conn.commit()
