#!/usr/bin/env -S python3 -B
"""malformed.py POME GUEST.BIN: every virtio device of a throw-away machine meets a driver that breaks the rules (guest.c). The monitor lives, the
devices say what VIRTIO 1.2 wants them to say, and work after a reset."""
import os, re, subprocess, sys, tempfile

TYPES = {1: 'net', 2: 'blk', 3: 'console', 4: 'rng', 5: 'balloon', 18: 'input', 19: 'vsock', 26: 'fs'}

pome, guest = sys.argv[1:3]
with tempfile.TemporaryDirectory(prefix='pome-virtio-') as work:
    disk, share = os.path.join(work, 'disk'), os.path.join(work, 'share')
    os.mkdir(share)
    with open(disk, 'wb') as f:
        f.truncate(1 << 20)
    r = subprocess.run([pome, 'boot', '--kernel', guest, '--memory', '256MiB', '--disk', disk, '--net', 'user', '--vsock', os.path.join(work, 's'), '--balloon',
                        '--share', 't=' + share, '--port', 'hvc0=' + os.path.join(work, 'hvc0'), '--port', 'org.test=' + os.path.join(work, 'named'), '--no-reboot'], stdin=subprocess.DEVNULL, capture_output=True, timeout=380, env=dict(os.environ, POME_HOME=work))
said = r.stdout.decode(errors='replace')
print(said, r.stderr.decode(errors='replace')[-4000:], sep='\n')
assert r.returncode == 0, 'status %d' % r.returncode
assert 'VIRTIO-GUEST-END' in said and 'BAD device' not in said
seen = {int(t) for t, _ in re.findall(r'DEVICE (\d+) in slot (\d+) queues \d+ ok', said)}
assert seen >= set(TYPES), 'not seen: %s' % [TYPES[t] for t in set(TYPES) - seen]
