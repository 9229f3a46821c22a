"""'Sync now': a real message on a real broker, and a sentence when there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.test import Client

from apps.audit.models import AuditEvent
from apps.config.celery import app as celery
from apps.core.permissions import Role
from tests.factories.people import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(UserFactory(role=Role.OPERATOR))
    return client


@pytest.fixture
def broker(redis_server: str) -> Iterator[str]:
    yield from _broker_at(redis_server.replace("unix://", "redis+socket://", 1))


@pytest.fixture
def no_broker(tmp_path: Path) -> Iterator[str]:
    yield from _broker_at(f"redis+socket://{tmp_path}/none.sock")


def _broker_at(url: str) -> Iterator[str]:
    before = celery.conf.broker_url
    celery.conf.broker_url = celery.conf.broker_write_url = url
    celery.amqp._producer_pool = None
    celery._pool = None
    yield url
    celery.conf.broker_url = celery.conf.broker_write_url = before
    celery.amqp._producer_pool = None
    celery._pool = None


def test_both_passes_are_sent_to_their_queue_and_the_act_is_audited(
    operator: Client, broker: str, redis_server: str
) -> None:
    response = operator.post("/ops/sync", {"next": "/?q=x"}, follow=True)
    assert "was asked for" in response.content.decode()
    assert redis.Redis.from_url(redis_server).llen("sync") == 2
    assert AuditEvent.objects.get(type="sync.requested").actor


def test_without_a_broker_the_person_is_told(operator: Client, no_broker: str) -> None:
    response = operator.post("/ops/sync", follow=True)
    assert "Redis does not answer" in response.content.decode()


def test_nobody_is_sent_to_another_site(operator: Client, broker: str) -> None:
    assert operator.post("/ops/sync", {"next": "https://example.org/"})["Location"] == "/"
