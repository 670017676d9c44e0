# script.sh - a shell script: loops, text tools, many short processes. Prints what it computed, for the checksum.
i=0 sum=0
while [ $i -lt 40 ]; do
    word=$(echo "line $i of text" | sed -e 's/line/LINE/' -e "s/$i/<$i>/" | tr a-z A-Z)
    sum=$((sum + ${#word}))
    case $word in *3*) sum=$((sum * 3 % 10007)) ;; esac
    i=$((i + 1))
done
seq 1 300 | awk '{ s += $1 * $1; if ($1 % 7 == 0) n++ } END { print s, n }'
seq 1 200 | sort -r | head -n 50 | md5sum
for f in a b c d e f g h; do
    echo "$f $sum" >"/tmp/bench-$f"
    grep -c "$f" "/tmp/bench-$f"
done
cat /tmp/bench-[a-h] | md5sum
rm -f /tmp/bench-[a-h]
echo "$sum"
