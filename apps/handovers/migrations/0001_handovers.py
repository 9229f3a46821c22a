
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('slurm', '0004_preempted_jobs_are_found_at_once'),
        ('sweeps', '0004_runs_closed_from_outside'),
        ('workspaces', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Content',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sha256', models.CharField(max_length=64, unique=True)),
                ('text', models.TextField()),
                ('raw', models.BinaryField(null=True)),
                ('size', models.PositiveBigIntegerField()),
                ('cut', models.BooleanField(default=False)),
                ('first_seen_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Handover',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=300)),
                ('key', models.CharField(max_length=200)),
                ('state', models.CharField(default='current', max_length=12)),
                ('path', models.CharField(max_length=2000)),
                ('text_key', models.CharField(blank=True, max_length=60)),
                ('date', models.DateTimeField(null=True)),
                ('date_source', models.CharField(default='unknown', max_length=10)),
                ('branch', models.CharField(blank=True, max_length=300)),
                ('agent', models.CharField(blank=True, max_length=200)),
                ('author', models.CharField(blank=True, max_length=200)),
                ('focus', models.CharField(blank=True, max_length=1000)),
                ('sections', models.JSONField(default=list)),
                ('pending_open', models.PositiveIntegerField(default=0)),
                ('pending_done', models.PositiveIntegerField(default=0)),
                ('findings', models.JSONField(default=list)),
                ('doubled', models.BooleanField(default=False)),
                ('first_seen_at', models.DateTimeField()),
                ('changed_at', models.DateTimeField()),
                ('content', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='handovers', to='handovers.content')),
                ('handed_over', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='handovers.content')),
                ('superseded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='supersedes', to='handovers.handover')),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='handovers', to='workspaces.workspace')),
            ],
        ),
        migrations.CreateModel(
            name='DocumentFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('path', models.CharField(max_length=2000)),
                ('checkout', models.CharField(max_length=1000)),
                ('archived', models.BooleanField(default=False)),
                ('stamp', models.CharField(blank=True, max_length=80)),
                ('modified_at', models.DateTimeField(null=True)),
                ('problem', models.JSONField(default=dict)),
                ('content', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='handovers.content')),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
                ('handover', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='handovers.handover')),
            ],
        ),
        migrations.CreateModel(
            name='Mention',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=10)),
                ('name', models.CharField(max_length=300)),
                ('handover', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='mentions', to='handovers.handover')),
                ('job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='handover_mentions', to='slurm.job')),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='handover_mentions', to='sweeps.run')),
                ('sweep', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='handover_mentions', to='sweeps.sweep')),
            ],
        ),
        migrations.CreateModel(
            name='Pickup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('who', models.CharField(max_length=200)),
                ('kind', models.CharField(default='person', max_length=10)),
                ('at', models.DateTimeField()),
                ('checkout', models.CharField(blank=True, max_length=1000)),
                ('released_at', models.DateTimeField(null=True)),
                ('released_why', models.CharField(blank=True, max_length=200)),
                ('handover', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='pickups', to='handovers.handover')),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='Version',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event', models.CharField(max_length=10)),
                ('at', models.DateTimeField()),
                ('path', models.CharField(max_length=2000)),
                ('path_before', models.CharField(blank=True, max_length=2000)),
                ('content', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='handovers.content')),
                ('handover', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='handovers.handover')),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='CheckoutKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('path', models.CharField(max_length=1000)),
                ('branch', models.CharField(blank=True, max_length=300)),
                ('is_main', models.BooleanField(default=False)),
                ('key', models.CharField(blank=True, max_length=200)),
                ('has_index', models.BooleanField(default=False)),
                ('problem', models.JSONField(default=dict)),
                ('changed_at', models.DateTimeField()),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='checkout_keys', to='workspaces.workspace')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('workspace', 'path'), name='checkout_is_unique')],
            },
        ),
        migrations.AddIndex(
            model_name='handover',
            index=models.Index(fields=['workspace', 'branch', '-date'], name='handover_by_branch'),
        ),
        migrations.AddIndex(
            model_name='handover',
            index=models.Index(fields=['workspace', 'state', '-date'], name='handover_by_state'),
        ),
        migrations.AddIndex(
            model_name='handover',
            index=models.Index(fields=['key'], name='handover_by_key'),
        ),
        migrations.AddIndex(
            model_name='handover',
            index=models.Index(condition=models.Q(('doubled', True)), fields=['workspace'], name='handover_doubled'),
        ),
        migrations.AddIndex(
            model_name='handover',
            index=models.Index(fields=['-date', '-id'], name='handover_newest'),
        ),
        migrations.AddIndex(
            model_name='handover',
            index=models.Index(condition=models.Q(('text_key', ''), _negated=True), fields=['text_key'], name='handover_by_text_key'),
        ),
        migrations.AddConstraint(
            model_name='handover',
            constraint=models.UniqueConstraint(fields=('workspace', 'name'), name='handover_name_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='documentfile',
            constraint=models.UniqueConstraint(fields=('workspace', 'path'), name='document_file_is_unique'),
        ),
        migrations.AddIndex(
            model_name='mention',
            index=models.Index(fields=['kind', 'name'], name='mention_by_name'),
        ),
        migrations.AddIndex(
            model_name='mention',
            index=models.Index(condition=models.Q(('job', None), ('kind__in', ['sweep', 'run', 'job']), ('run', None), ('sweep', None)), fields=['kind', 'name'], name='mention_unresolved'),
        ),
        migrations.AddConstraint(
            model_name='mention',
            constraint=models.UniqueConstraint(fields=('handover', 'kind', 'name'), name='mention_is_unique'),
        ),
        migrations.AddIndex(
            model_name='pickup',
            index=models.Index(condition=models.Q(('released_at', None)), fields=['handover'], name='pickup_live'),
        ),
    ]
