"""Users of each role."""

from functools import cache

import factory
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from factory.django import DjangoModelFactory

from apps.core.permissions import Role

PASSWORD = "correct horse battery"


@cache
def hash_of(password: str) -> str:
    """Hashing is slow on purpose; thousands of people of the tests share one password."""
    return make_password(password)


class UserFactory(DjangoModelFactory[User]):
    """A viewer, unless ``role`` says otherwise; the password is ``PASSWORD``."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")

    @factory.post_generation
    def password(self, create: bool, extracted: str | None, **kwargs: object) -> None:
        self.password = hash_of(extracted or PASSWORD)
        self.save()

    @factory.post_generation
    def role(self, create: bool, extracted: Role | None, **kwargs: object) -> None:
        if extracted is not None:
            self.groups.add(Group.objects.get_or_create(name=extracted.value)[0])
