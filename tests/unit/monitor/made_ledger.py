"""The ledger of a training that is under way."""

from steadyflow.ground.ledger import Ledger, Worker

NOW = 1e9
LEDGER = Ledger(
    "run a",
    steps=1000,
    batch_size=50,
    worker=Worker("node1", 7, "42", NOW - 900),
    step=400,
    saved=300,
    starts=3,
    recomputed=100,
    seconds=1000.0,
    saving_seconds=20.0,
    images_per_second=100.0,
    loss=0.25,
    updated=NOW - 10,
)
