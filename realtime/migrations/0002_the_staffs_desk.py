from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("realtime", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Condition",
            fields=[
                ("name", models.CharField(max_length=160, primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=32, verbose_name="kind")),
                ("severity", models.CharField(max_length=8, verbose_name="severity")),
                ("message", models.TextField(verbose_name="message")),
                ("process", models.CharField(blank=True, max_length=100, verbose_name="process")),
                ("since", models.DateTimeField(auto_now_add=True, verbose_name="since")),
                ("until", models.DateTimeField()),
            ],
            options={"verbose_name": "condition", "verbose_name_plural": "conditions"},
        ),
        migrations.CreateModel(
            name="Operations",
            fields=[("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))],
            options={
                "verbose_name": "operations",
                "verbose_name_plural": "operations",
                "permissions": [
                    ("view_operations", "Can see how the installation is doing and who is connected"),
                    ("disconnect", "Can disconnect a connection or a user"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
        # In two steps: events that were there before have no such time.
        migrations.AddField("event", "sequenced_at", models.DateTimeField(null=True)),
        migrations.AlterField("event", "sequenced_at", models.DateTimeField(db_default=Now(), null=True)),
    ]
