import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('workspaces', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Worktree',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('path', models.CharField(max_length=1000)),
                ('kind', models.CharField(default='worktree', max_length=10)),
                ('branch', models.CharField(blank=True, max_length=300)),
                ('how', models.CharField(default='unknown', max_length=15)),
                ('facts', models.JSONField(default=dict)),
                ('findings', models.JSONField(default=list)),
                ('folder', models.CharField(blank=True, max_length=1000)),
                ('stamp', models.CharField(blank=True, max_length=64)),
                ('looked_at', models.DateTimeField()),
                ('changed_at', models.DateTimeField()),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='worktrees', to='workspaces.workspace')),
            ],
            options={
                'ordering': ['workspace__name', 'kind', 'path'],
                'constraints': [models.UniqueConstraint(fields=('workspace', 'path'), name='worktree_is_unique')],
            },
        ),
        migrations.CreateModel(
            name='WorktreeAct',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=10)),
                ('path', models.CharField(max_length=1000)),
                ('branch', models.CharField(blank=True, max_length=300)),
                ('digest', models.CharField(max_length=64)),
                ('commands', models.JSONField(default=list)),
                ('state', models.CharField(default='begun', max_length=10)),
                ('by', models.CharField(max_length=150)),
                ('at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('said', models.TextField(blank=True)),
                ('error_id', models.CharField(blank=True, max_length=12)),
                ('workspace', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='worktree_acts', to='workspaces.workspace')),
            ],
            options={
                'ordering': ['-pk'],
                'indexes': [models.Index(condition=models.Q(('state', 'begun')), fields=['state'], name='act_begun')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ('begun', 'done'))), fields=('digest',), name='one_act_a_press')],
            },
        ),
    ]
