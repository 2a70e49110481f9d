"""Asking with several processes: each worker asks the hosts of its shard, the run's own process keeps everything else.

Contract: one Pacer per host still, since a host belongs to one shard: a redirect that leads to another's host takes the
job there. Bounds of the whole run are divided among the workers. No worker outlives the run's process.
Not in here: targets, duplicates, rows (`engine`), asking itself (`asking`).

`sharding` says whose a host is, `messages` what goes over the pipes, `shard` and `worker` are a worker's side of it,
`sharded` and `processes` that of the run.
"""
