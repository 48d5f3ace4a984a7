A=( --x < > 1 )
B=(a=(b=(c=(
C=x
C=$C$C
C=$C$C
python p.py ${A[@]} --num-layers $((C + 2 * (3 - 4) % 5)) "${B[*]}" --seq-length ${D:-$C}
