SELECT u.country,
       count(*)                   AS orders,
       sum(o.total)               AS revenue,
       round(avg(b.comments), 2)  AS comments_per_author
FROM users u
JOIN orders o ON o.user_id = u.id
JOIN (SELECT a.author_id, count(*) AS comments
      FROM articles a JOIN comments c ON c.article_id = a.id
      GROUP BY a.author_id) b ON b.author_id = u.id
GROUP BY u.country
ORDER BY revenue DESC
LIMIT 5
