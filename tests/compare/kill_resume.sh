#!/usr/bin/env bash
# Kills a training at random moments and resumes it until it is done; the weights must equal those of an undisturbed run, bit by
# bit. On the sample CT, killed N (10) times:
#
#     bash tests/compare/kill_resume.sh pretrain|finetune|omni [N]
#
# or with any command that knows --out and --resume:
#
#     bash tests/compare/kill_resume.sh VOCO SCRATCH pretrain --data FOLDER --steps 60 --checkpoint-every 7 --device cpu --seed 1
#
# VOCO is the program, SCRATCH a folder for both runs, KILLS (10) how many times it is killed, LONGEST (8) the most seconds before a kill.
set -euo pipefail

kills=${KILLS:-10}
longest=${LONGEST:-8}
case $1 in
pretrain | finetune | omni)
    kills=${2:-$kills}
    voco=${VOCO:-${CARGO_TARGET_DIR:-target}/release/voco}
    scratch=${SCRATCH:-$(mktemp -d)}
    mkdir -p "$scratch/data"
    samples=$(cd "$(dirname "$0")/../../assets/samples" && pwd)
    # The sample under two names: one to learn from, one held out.
    for name in one two; do
        cp "$samples/ts_abdomen.nii.gz" "$scratch/data/$name.nii.gz"
        cp "$samples/ts_abdomen_label.nii.gz" "$scratch/data/${name}_label.nii.gz"
    done
    cat >"$scratch/data/list.json" <<LIST
{ "labels": { "1": "spleen", "2": "kidney right", "3": "kidney left", "5": "liver" },
  "training": [{ "image": "one.nii.gz", "label": "one_label.nii.gz" }],
  "validation": [{ "image": "two.nii.gz", "label": "two_label.nii.gz" }] }
LIST
    common=(--model unet-tiny --device cpu --seed 3 --cache "$scratch/cache")
    case $1 in
    pretrain)
        set -- pretrain --data "$scratch/data/list.json" --steps "${STEPS:-60}" --checkpoint-every 7 --validate-every 20 "${common[@]}" ;;
    finetune)
        set -- finetune --task abdomen-organs --data "$scratch/data/list.json" --steps "${STEPS:-60}" --checkpoint-every 7 \
            --validate-every 25 "${common[@]}" ;;
    omni)
        set -- pretrain --recipe omni --task abdomen-organs --labelled "$scratch/data/list.json" --data "$scratch/data/list.json" \
            --steps "${STEPS:-20}" --batch 2 --crops 2 --checkpoint-every 3 --validate-every 10 "${common[@]}" ;;
    esac
    ;;
*)
    voco=$1
    scratch=$2
    shift 2
    ;;
esac

mkdir -p "$scratch"
rm -rf "$scratch/whole" "$scratch/killed"
began=$(date +%s)
"$voco" "$@" --out "$scratch/whole" >"$scratch/whole.log" 2>"$scratch/whole.err"
echo "undisturbed: $(($(date +%s) - began)) s"

done=0
for kill in $(seq 1 "$kills"); do
    # Killed before its first checkpoint, a run is begun anew.
    resume=()
    if compgen -G "$scratch/killed/checkpoints/step-*" >/dev/null; then
        resume=(--resume)
    fi
    "$voco" "$@" --out "$scratch/killed" "${resume[@]}" >>"$scratch/killed.log" 2>>"$scratch/killed.err" &
    pid=$!
    sleep "$(awk -v seed="$RANDOM" -v most="$longest" 'BEGIN { srand(seed); print 0.3 + rand() * most }')"
    if ! kill -9 "$pid" 2>/dev/null; then
        wait "$pid" && done=1
        echo "kill $kill: it was done before"
        break
    fi
    wait "$pid" 2>/dev/null || true
    echo "kill $kill: checkpoints $(ls "$scratch/killed/checkpoints" 2>/dev/null | tr '\n' ' ')"
done
if [ "$done" = 0 ]; then
    resume=()
    if compgen -G "$scratch/killed/checkpoints/step-*" >/dev/null; then
        resume=(--resume)
    fi
    "$voco" "$@" --out "$scratch/killed" "${resume[@]}" >>"$scratch/killed.log" 2>>"$scratch/killed.err"
fi

last=$(ls "$scratch/whole/checkpoints" | tail -n 1)
failed=0
for file in "$scratch/whole/checkpoints/$last"/*; do
    if cmp -s "$file" "$scratch/killed/checkpoints/$last/$(basename "$file")"; then
        echo "$last/$(basename "$file"): equal"
    else
        echo "$last/$(basename "$file"): DIFFERS"
        failed=1
    fi
done
# Each step once, in order, with the same numbers but for the time.
strip() { sed -E 's/,"(waited_)?seconds":[^,}]*//g' "$1/log.jsonl"; }
if diff -q <(strip "$scratch/whole") <(strip "$scratch/killed") >/dev/null; then
    echo "log.jsonl: equal but for seconds, $(wc -l <"$scratch/whole/log.jsonl") lines"
else
    echo "log.jsonl: DIFFERS"
    failed=1
fi
exit "$failed"
