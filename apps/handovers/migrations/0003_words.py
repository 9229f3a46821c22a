"""The lists of words themselves, which each database keeps in its own way."""

from django.db import migrations

SQLITE = (
    "CREATE VIRTUAL TABLE handovers_words USING fts5("
    # With lists of beginnings, what is typed is found at once from the second letter on; of longer beginnings there are few.
    "title, body, marks, content='', tokenize='unicode61', prefix='2 3 4')"
)
POSTGRES = (
    "ALTER TABLE handovers_searchentry ADD COLUMN words tsvector",
    # Few documents a day: what is added is found at once, without a list of what waits.
    "CREATE INDEX handovers_words ON handovers_searchentry USING gin (words) WITH (fastupdate = off)",
)


def make(apps, editor):
    for statement in (SQLITE,) if editor.connection.vendor == "sqlite" else POSTGRES:
        editor.execute(statement)


def drop(apps, editor):
    if editor.connection.vendor == "sqlite":
        editor.execute("DROP TABLE handovers_words")
    else:
        editor.execute("ALTER TABLE handovers_searchentry DROP COLUMN words")


class Migration(migrations.Migration):

    dependencies = [("handovers", "0002_search")]
    operations = [migrations.RunPython(make, drop)]
