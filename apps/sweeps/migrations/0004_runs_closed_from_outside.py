from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sweeps', '0003_parameters_hash'),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='closed_until',
            field=models.DateTimeField(null=True),
        ),
    ]
