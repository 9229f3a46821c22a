from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('joblogs', '0003_rates_and_starts'),
    ]

    operations = [
        migrations.AddField('logfile', 'read_at', models.DateTimeField(null=True)),
        migrations.AddField('logfile', 'skipped_bytes', models.BigIntegerField(default=0)),
        migrations.AddField('logfile', 'notes', models.JSONField(default=list)),
        migrations.AddField('logfile', 'problem', models.CharField(blank=True, default='', max_length=500), preserve_default=False),
    ]
