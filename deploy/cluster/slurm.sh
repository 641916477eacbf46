#!/bin/bash
# A round on several machines of a SLURM cluster: sbatch slurm.sh. docs/cluster.md
#
# This script runs on the first machine of the job, and so does the round; the others run `rounds node`. The job ends
# with the round. If it is preempted or its time is up, submit it again: the round continues from its last checkpoint.
#SBATCH --job-name=rounds
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --output=rounds-%j.log
set -eu

: "${CODE:=/shared/rounds}"          # a checkout in which `make setup` was run
: "${WORKSPACE:=/shared/workspace}"  # its params.yaml has the lines of two-machines.yaml
: "${PORT:=29400}"
PATH="$CODE/.venv/bin:$PATH"
cd "$CODE"

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export ROUNDS_RENDEZVOUS="$first:$PORT"

others=$((SLURM_JOB_NUM_NODES - 1))
srun --nodes="$others" --ntasks="$others" --relative=1 rounds node -w "$WORKSPACE" &
trap 'kill %1' EXIT

rounds round -w "$WORKSPACE"
