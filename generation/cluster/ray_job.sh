#!/bin/bash
# 10,000 clips on a Ray cluster, from its head node; every node has this repository installed with the extras generation and
# ray. Finished clips come to this machine, their shards go to OUT. Or: ray job submit -- bash generation/cluster/ray_job.sh
set -euo pipefail
python generation/render.py --num 10000 --executor ray --address auto --out "${OUT:-data/train}" --memory 4000
