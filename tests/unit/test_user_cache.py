from processors.cache import UserCache
from processors.dedup import User


def user(ids: int) -> User:
    known = User(complete=True)
    known.ids = {str(number): number for number in range(ids)}
    return known


def filled(*flushes: int, ids: int = 10) -> UserCache:
    """A cache with a user of ten ids for each number of a flush, named after their place."""
    cache = UserCache()
    for place, flush in enumerate(flushes):
        cache.put(str(place), user(ids))
        cache.used(str(place), flush)
    return cache


def remembered(cache: UserCache) -> list[str]:
    return [name for name in map(str, range(100)) if cache.get(name) is not None]


def test_the_users_that_were_used_least_recently_go_first() -> None:
    cache = filled(*[1] * 10)
    cache.used("0", 2)
    cache.shrink(93, stored=2)
    assert remembered(cache) == ["0", "3", "4", "5", "6", "7", "8", "9"]
    assert cache.weight == 88


def test_users_of_flushes_that_are_not_stored_stay_however_full_the_cache_is() -> None:
    cache = filled(1, 2, 2)
    cache.shrink(0, stored=1)
    assert remembered(cache) == ["1", "2"]
    cache.shrink(0, stored=2)
    assert (remembered(cache), cache.weight) == ([], 0)


def test_one_large_user_does_not_push_the_others_out() -> None:
    cache = filled(*[1] * 8)
    cache.put("8", user(1000))
    cache.used("8", 1)
    cache.shrink(100, stored=1)
    assert remembered(cache) == ["0", "1", "2", "3", "4", "5", "6", "7", "8"]
    large = cache["8"]
    assert (large.complete, large.ids) == (False, {})


def test_a_large_user_of_a_flush_that_is_not_stored_keeps_their_ids() -> None:
    cache = filled(1, ids=1000)
    cache.shrink(100, stored=0)
    assert len(cache["0"].ids) == 1000
