from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('joblogs', '0002_logs_left_behind'),
    ]

    operations = [
        migrations.AddField('logtrace', 'total_steps', models.BigIntegerField(null=True)),
        migrations.AddField('logtrace', 'steps_per_second', models.FloatField(null=True)),
        migrations.AddField('logtrace', 'samples_per_second', models.FloatField(null=True)),
        migrations.AddField('logtrace', 'zero_based', models.BooleanField(null=True)),
        migrations.AddField('logtrace', 'progress_at', models.DateTimeField(null=True)),
        migrations.AddField('logtrace', 'earlier_starts', models.JSONField(default=list)),
    ]
