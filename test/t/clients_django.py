# A small Django application: "create" makes its tables, "work" creates, reads,
# updates and deletes.  It prints what it reads, and knows of no cache.
import sys
import types

import django
from django.conf import settings

# The application is this file.
sys.modules["shop"] = types.ModuleType("shop")
sys.modules["shop"].__path__ = [sys.path[0]]

what, host, port, user, name = sys.argv[1:]
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": port, "USER": user, "NAME": name}},
    INSTALLED_APPS=["shop"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.db import connection, models, transaction  # noqa: E402
from django.db.models import Avg, Count, F, Q  # noqa: E402


class Author(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "shop"


class Tag(models.Model):
    word = models.CharField(max_length=20, unique=True)

    class Meta:
        app_label = "shop"


class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    title = models.CharField(max_length=50)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.IntegerField(default=0)
    data = models.JSONField(default=dict)
    tags = models.ManyToManyField(Tag)

    class Meta:
        app_label = "shop"


def read():
    for again in range(3):
        print(list(Author.objects.order_by("name").values_list("name", flat=True)))
        print([(b.title, b.author.name, b.price, b.stock, b.data) for b in Book.objects.select_related("author").order_by("title")])
        print([(a.name, [b.title for b in a.books.all()]) for a in Author.objects.order_by("name").prefetch_related(models.Prefetch("books", Book.objects.order_by("title")))])
        print(list(Author.objects.annotate(n=Count("books"), p=Avg("books__price")).order_by("name").values_list("name", "n", "p")))
        print(Book.objects.filter(Q(price__gt=5) | Q(stock=0)).count(), Book.objects.filter(title__icontains="b").exists(), Book.objects.filter(data__pages__gt=150).count())
        print([b.title for b in Book.objects.filter(tags__word="new").order_by("title")], Book.objects.order_by("-price", "title").values_list("title", flat=True).first())
        print(sum(b.stock for b in Book.objects.order_by("id").iterator(chunk_size=2)))


if what == "create":
    with connection.schema_editor() as editor:
        for model in (Author, Tag, Book):
            editor.create_model(model)
    sys.exit()

ann = Author.objects.create(name="Ann")
bob = Author.objects.create(name="Bob")
new = Tag.objects.create(word="new")
for i in range(4):
    book = Book.objects.create(author=(ann, bob)[i % 2], title="Book %d" % i, price=3 * i, stock=i, data={"pages": 100 * i})
    if i > 1:
        book.tags.add(new)
read()
Book.objects.filter(title="Book 1").update(stock=F("stock") + 10)
read()
with transaction.atomic():
    book = Book.objects.select_for_update().get(title="Book 2")
    book.price = 99
    book.save()
    read()
read()
try:
    with transaction.atomic():
        Book.objects.all().delete()
        print(Book.objects.count())
        raise ValueError
except ValueError:
    pass
read()
with transaction.atomic():
    try:
        with transaction.atomic():
            ann.name = "Anna"
            ann.save()
            raise ValueError
    except ValueError:
        pass
    read()
Author.objects.get(name="Bob").delete()
read()
print(Author.objects.get_or_create(name="Cid")[1], Author.objects.get_or_create(name="Cid")[1])
Book.objects.bulk_create([Book(author=ann, title="Bulk %d" % i, price=i) for i in range(3)])
read()
Author.objects.all().delete()
Tag.objects.all().delete()
read()
