from dataclasses import dataclass

from moto.s3.utils import _VersionedKeyStore

from local.gateway.moto_patches.s3 import lists


@dataclass
class Version:
    name: str

    def dispose(self) -> None:
        pass


def test_a_listing_goes_on_over_keys_that_somebody_deletes_meanwhile():
    store = _VersionedKeyStore()
    for name in ("a", "b", "c"):
        store[name] = Version(name)
    listing = lists(store)
    seen = [next(listing)]
    for name in ("b", "c"):
        store.pop(name)
    seen += listing
    assert [(key, [one.name for one in versions]) for key, versions in seen] == [
        ("a", ["a"]), ("b", ["b"]), ("c", ["c"])
    ]  # fmt: skip
