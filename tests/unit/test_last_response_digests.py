"""What the state keeps of responses that were asked for by their ids."""

from wootric_pipeline.reading.last_responses import LastResponse


def test_a_digest_tells_values_apart_and_cannot_be_guessed_without_its_key() -> None:
    said = [LastResponse(1, 2, {"score": 9, "text": text}) for text in ("Fine.", "fine.", "Fine.")]
    plain, keyed, other = ([each.digest(key) for each in said] for key in (b"", b"a key", b"another"))
    for digests in (plain, keyed, other):
        assert digests[0] == digests[2] != digests[1]
    assert not {*plain} & {*keyed} | {*keyed} & {*other}
