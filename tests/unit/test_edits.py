"""What is simulated of edited responses whose list ignores `updated`."""

from argparse import Namespace

from benchmarks.edits import AGES_DAYS, simulate


def test_an_edit_that_its_person_tells_of_is_loaded_by_the_next_run() -> None:
    options = Namespace(rows_a_day=50, years=4, days=1, seed=1)

    by_list, _ = simulate(options, 0)
    by_id, _ = simulate(options, len(AGES_DAYS))

    assert {age: len(hours) for age, hours in by_id.items()} == dict.fromkeys(AGES_DAYS, 24)
    assert max(map(max, by_id.values())) <= 1
    assert max(by_list[300]) > 12
