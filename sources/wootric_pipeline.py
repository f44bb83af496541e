"""Loads a Wootric account with dlt: put the credentials into .dlt/secrets.toml and run this file."""

import dlt
from wootric import wootric_source

# The destination comes from `dlt init`; any other that dlt has will do, by its name and its settings.
pipeline = dlt.pipeline(pipeline_name="wootric_pipeline", destination="duckdb", dataset_name="wootric")


def load_everything() -> None:
    """All tables; the first run loads all history, every further one what has changed since."""
    print(pipeline.run(wootric_source()))


def load_responses_since_2024() -> None:
    """One table, from a day on."""
    print(pipeline.run(wootric_source(start_date="2024-01-01").with_resources("responses")))


if __name__ == "__main__":
    load_everything()
