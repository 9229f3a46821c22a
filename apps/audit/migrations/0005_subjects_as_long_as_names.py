from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0004_scopes_and_indexes_of_passes'),
    ]

    operations = [
        migrations.AlterField(
            model_name='auditevent',
            name='subject',
            field=models.CharField(max_length=700),
        ),
    ]
