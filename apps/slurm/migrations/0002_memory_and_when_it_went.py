from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("slurm", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="max_rss_bytes",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="gone_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["end_at"], name="job_by_end"),
        ),
    ]
