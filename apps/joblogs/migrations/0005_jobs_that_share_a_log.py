import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('joblogs', '0004_what_was_not_read'),
    ]

    operations = [
        migrations.CreateModel(
            name='LogSharer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cluster', models.CharField(max_length=100)),
                ('job_id', models.CharField(max_length=60)),
                ('log', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sharers', to='joblogs.logfile')),
            ],
            options={
                'indexes': [models.Index(fields=['job_id'], name='sharer_by_job')],
                'constraints': [models.UniqueConstraint(fields=('log', 'cluster', 'job_id'), name='sharer_is_unique_in_log')],
            },
        ),
    ]
