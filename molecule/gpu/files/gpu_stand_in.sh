#!/bin/sh
# gpu_stand_in.sh DRIVER BUS CODE SAYS [CARD...]: makes the host look as if it had these cards.
#
# DRIVER: the kernel module's version, empty when none is loaded. BUS: "card" when one is on the PCI bus.
# CODE, SAYS: with a CODE that is not 0 nvidia-smi fails with it and says this, with 124 it hangs. CARD: "name, compute capability".
# A host without a driver gets no nvidia-smi either: the driver's package brings it.
set -eu
driver=$1 bus=$2 code=$3 says=$4
shift 4

if [ "$bus" = card ]; then
    card=/sys/bus/pci/devices/0000:3b:00.0
    mkdir -p "$card"
    echo 0x10de >"$card/vendor"
    echo 0x030200 >"$card/class"
fi
if [ -n "$driver" ]; then
    mkdir -p /sys/module/nvidia
    echo "$driver" >/sys/module/nvidia/version
    answer=/usr/local/share/nvidia-smi.txt
    if [ "$code" -eq 0 ]; then
        number=0
        for card in "$@"; do
            echo "${card%, *}, GPU-$number, $driver, 81559, ${card##*, }"
            number=$((number + 1))
        done >"$answer"
    else
        echo "$says" >"$answer"
    fi
    # It answers one query, field by field as it was asked, and refuses all else like the real one.
    cat >/usr/local/bin/nvidia-smi <<END
#!/bin/sh
if [ "\$*" != "--query-gpu=name,uuid,driver_version,memory.total,compute_cap --format=csv,noheader,nounits" ]; then
    echo "ERROR: Option \$* is not recognized. Please run 'nvidia-smi -h'."
    exit 2
fi
[ $code -ne 124 ] || exec sleep 600
cat $answer
exit $code
END
    chmod 0755 /usr/local/bin/nvidia-smi
fi
touch /var/lib/gpu-prepared
