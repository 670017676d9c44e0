#!/usr/bin/env -S python3 -B
# warm clones: many machines go on from one snapshot, each with its own identity, time, entropy and addresses
"""warm-test.py [COPIES [MEMORY]]: measures too. Environment: POME, GUESTS, WORK (tests/machine/run.sh)."""
import base64, json, os, re, signal, subprocess, sys, time
from visit import GUESTS, HOME, Machine, POME, bundle, need_image, pome, refused

COPIES = int(sys.argv[1]) if len(sys.argv) > 1 else 3
MEMORY = sys.argv[2] if len(sys.argv) > 2 else '512MiB'
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../restore/build/guest/root')
AGENT = ['usr/lib/pome/renew', 'usr/lib/systemd/system/pome-renew.socket', 'usr/lib/systemd/system/pome-renew@.service']


def ok(*words, **more):
    r = pome(*words, **more)
    assert r.returncode == 0, (words, r.stderr)
    return r.stdout


def install_agent(m):
    """For an image that was built before there was one."""
    if 'there-1' in m.run('test -e /%s && echo there-$((0+1))' % AGENT[0]):
        return
    for path in AGENT:
        with open(os.path.join(ROOT, path), 'rb') as f:
            text = base64.b64encode(f.read()).decode()
        m.run(': >/tmp/b')
        for i in range(0, len(text), 800):
            m.run('echo %s >>/tmp/b' % text[i:i + 800])
        m.run('base64 -d </tmp/b >/%s; chmod %s /%s' % (path, '644' if 'systemd' in path else '755', path))
    m.run('systemctl daemon-reload; systemctl start pome-renew.socket; systemctl is-active pome-renew.socket')


def facts(m):
    """What a guest says of itself; its clock is right when it was set to the host's, however long a busy host took to tell it."""
    asked = time.time()
    said = m.run('echo "FACTS $(date +%s) $(cat /sys/class/net/e*/address) $(od -An -N16 -tx1 /dev/urandom | tr -d \' \') $x"')
    found = re.findall(r'FACTS (\d+) ([0-9a-f:]{17}) ([0-9a-f]{32}) (\w+)\r', said)
    assert found, said
    clock = int(found[-1][0])
    return asked - 60 <= clock <= time.time() + 1, found[-1][1], found[-1][2], found[-1][3]


def private_kib(pid):
    """Resident, and what of it is this process' alone."""
    with open('/proc/%d/smaps_rollup' % pid) as f:
        v = dict(re.findall(r'^(\w+): +(\d+) kB', f.read(), re.M))
    return int(v['Rss']), int(v['Private_Dirty']) + int(v['Private_Clean']), int(v['Pss'])


need_image()
ok('create', 'vm', '--image', os.path.join(GUESTS, 'debian.ipsw'), '--cpus', '1', '--memory', MEMORY, '--disk', '4GiB')
m = Machine('start', 'vm')
m.login()
m.run('stty -echo; sleep 1')
install_agent(m)
m.run('x=warm; sync; date -s "1 hour ago"') # so that the guests' clocks are behind
ok('snapshot', 'create', 'vm', 'warm')
address = facts(m)[1]
m.p.send_signal(signal.SIGTERM)
m.end()
refused(2, 'clone', 'vm', 'no', '--warm')
ok('snapshot', 'create', 'vm', 'cold')
refused(4, 'clone', 'vm', 'no', '--from-snapshot', 'cold', '--warm', why='has no memory')
saved = os.path.join(bundle('vm'), 'Snapshots', 'warm', 'SaveFile.pomesave')

machines, answers = [], []
for i in range(COPIES):
    begin = time.monotonic()
    ok('clone', 'vm', 'copy%d' % i, '--from-snapshot', 'warm', '--warm')
    cloned = time.monotonic()
    assert os.path.samefile(saved, os.path.join(bundle('copy%d' % i), 'SaveFile.pomesave'))
    m = Machine('start', 'copy%d' % i, '--resume')
    m.type('echo answer-$((40+2))')
    m.wait_for('answer-42')
    answers.append((cloned - begin, time.monotonic() - cloned))
    m.wait_for(':~# ')
    machines.append(m)
    assert not os.path.exists(os.path.join(bundle('copy%d' % i), 'Warm.json'))
log = ''
for i in range(COPIES):
    end = time.monotonic() + 300
    while time.monotonic() < end:
        log = ok('log', 'show', 'copy%d' % i, '--style', 'compact')
        if 'another machine now' in log:
            break
        time.sleep(0.2)
    assert 'knows that it is another machine now' in log, log[-2000:]
seen = [facts(m) for m in machines]
assert all(right and x == 'warm' for right, _, _, x in seen), seen
assert len({mac for _, mac, _, _ in seen} | {address}) == COPIES + 1, seen
assert len({drawn for _, _, drawn, _ in seen}) == COPIES, seen
ecids = {json.loads(ok('bundle', 'info', 'copy%d' % i, '--json'))['ecid'] for i in range(COPIES)}
assert len(ecids) == COPIES
for n, ((clone_s, answer_s), m) in enumerate(zip(answers, machines)):
    rss, private, pss = private_kib(m.p.pid)
    print('copy %d: cloned in %.0f ms, answered %.0f ms after its process was started, resident %d KiB, private %d KiB, proportional %d KiB'
          % (n, clone_s * 1000, answer_s * 1000, rss, private, pss))
for m in machines:
    m.p.send_signal(signal.SIGTERM)
for m in machines:
    m.end()
m = Machine('start', 'copy0') # it starts with its own identity as any machine does: its tickets are right
m.login()
m.power_off()
ok('bundle', 'check', 'copy0')
