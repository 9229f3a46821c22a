"""Sealing addresses in the database, with a key that is made of SECRET_KEY and kept nowhere."""

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from apps.core.errors import Permanent

UNREADABLE = (
    "The address of this channel cannot be read any more, because SECRET_KEY is another one than when it was saved. "
    "Enter the address anew."
)


def seal(address: str) -> str:
    return _box().encrypt(address.encode()).decode()


def unseal(sealed: str) -> str:
    """Return the address; ``Permanent`` when it was sealed under another SECRET_KEY."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Permanent(UNREADABLE) from None


def is_readable(sealed: str) -> bool:
    try:
        unseal(sealed)
    except Permanent:
        return False
    return True


def _box() -> Fernet:
    # A use of its own in the derivation: what seals addresses signs no session.
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"sweepboard alert address").derive(
        settings.SECRET_KEY.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key))
