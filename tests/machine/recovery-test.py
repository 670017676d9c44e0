#!/usr/bin/env -S python3 -B
# Recovery: passwords, NVRAM, the log, another security that the host approves or not, installing again with the data kept (also after a power cut) and erased
import json, os, pty, select, signal, subprocess, sys, time
from visit import *

PROMPT = 'recovery# '
NEW = 'correct horse 7'


class Recovery(Machine):
    def __init__(self, *options):
        super().__init__('start', 'dev', '--recovery', *options)
        self.wait_for(PROMPT)

    def do(self, line, *answers):
        """Types a command and its answers; gives what it said."""
        self.type(line)
        said = ''
        for question, answer in answers:
            said += self.wait_for(question)
            self.type(answer)
        return said + self.wait_for(PROMPT, 240)


def login_with(m, password):
    m.wait_for('login: ')
    m.type('root')
    m.wait_for('Password: ')
    m.type(password)
    m.wait_for(':~# ')


def settings():
    """A password that is asked for, boot-args that the kernel gets, the log of the start before."""
    r = pome('create', 'dev', '--image', IMAGE, '--cpus', '2', '--memory', '1GiB', '--disk', '4GiB', '--keep-image')
    assert r.returncode == 0, r.stderr
    assert os.path.getsize(os.path.join(bundle('dev'), 'RestoreImage.ipsw')) == os.path.getsize(IMAGE)
    m = Recovery()
    assert 'was installed again' in m.do('reinstall --keep-data -y') # its file system has not grown yet: it never started
    assert 'no user "nobody-here"; those who can log in: root' in m.do('reset-password nobody-here')
    assert 'they differ' in m.do('reset-password root', ('password of root: ', 'a'), ('again: ', 'b'))
    assert 'was changed' in m.do('6', ('User (root): ', ''), ('password of root: ', NEW), ('again: ', NEW))
    assert 'auto-boot\ttrue' in m.do('nvram')
    m.do('nvram set boot-args pome.marker=%d systemd.show_status=0' % 41)
    said = m.do('nvram set boot-args pome.marker=%d systemd.show_status=0' % 42)
    assert 'leaves out, and Recovery always: pome.marker=42' in said and 'always: systemd' not in said, said
    assert 'pome.marker=42' in m.do('nvram get boot-args')
    assert 'no variable' in m.do('nvram delete never-set')
    assert 'the host' in m.do('security')
    assert 'usage' not in m.do('reinstall --status')
    m.power_off()
    m = Machine('start', 'dev')
    assert 'pome.marker=42 is left out, full security' in m.wait_for('starting the kernel')
    login_with(m, NEW)
    said = m.run('cat /proc/cmdline')
    assert 'pome.marker' not in said and 'systemd.show_status=0' in said, said
    m.run('echo precious > /root/file; mkdir -p /home/me /usr/local/bin; echo mine > /usr/local/bin/tool; echo kept-name > /etc/hostname; '
          'rm -f /usr/bin/lsblk; echo broken > /usr/bin/find; echo lost > /usr/lib/stray; echo changed > /etc/issue; sync')
    m.power_off()
    m = Recovery()
    # Not the text itself: it holds this prompt.
    assert '\n2\r' in m.do('show-log --all | grep -c "pome stage2: starting the kernel"')
    assert '\n2\r' in m.do('show-log --all | grep -c "kernel: Linux version"')
    assert '\n30\r' in m.do('show-log -n 30 | wc -l')
    assert 'systemd' in m.do('show-log --journal -n 5')
    m.power_off()


def cmdline(m):
    """What a normal start says of itself, and its command line."""
    said = m.wait_for('starting the kernel')
    login_with(m, NEW)
    said += m.run('cat /proc/cmdline')
    m.power_off()
    return said


def asked():
    return json.loads(pome('security', 'get', 'dev', '--json').stdout)


def on_terminal(answer):
    """Recovery asks for full security; its owner is asked on the terminal and types the answer."""
    master, slave = pty.openpty()
    p = subprocess.Popen([POME, 'start', 'dev', '--recovery'], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b''
    for text, keys in ((b'recovery# ', b'security full -y\n'), (b'says yes', b'shutdown\n'), (b'(yes/no): ', answer + b'\n')):
        end = time.monotonic() + 300
        while text not in seen:
            assert time.monotonic() < end, seen[-500:]
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 65536)
        seen = seen.split(text, 1)[1]
        os.write(master, keys)
    assert p.wait(300) == 0
    os.close(master)


def policy():
    """Recovery asks for another security. It is the host's owner who says yes, or not."""
    m = Recovery()
    assert 'full security already' in m.do('security full')
    assert 'usage' not in m.do('security') and 'nothing was done' in m.do('security permissive', ('go on: ', 'no'))
    assert 'is asked for permissive' in m.do('security permissive', ('go on: ', 'yes'))
    assert 'asked for permissive' in m.do('5')
    assert 'asked for nothing' in m.do('security --cancel')
    assert 'is asked for reduced' in m.do('security reduced -y')
    m.type('reboot')                                # the answer comes first
    assert m.end() == 0
    assert asked()['requested'] == 'reduced' and asked()['security'] == 'full'
    assert pome('security', 'deny', 'dev').returncode == 0
    assert 'full security does not allow it' in cmdline(Machine('start', 'dev'))
    for ask, answer, then in (('permissive', 'reduced', 'full'), ('reduced', 'reduced', 'reduced')):
        m = Recovery('--approve-policy', answer)
        m.do('security %s -y' % ask)
        m.power_off()
        assert asked()['security'] == then and asked()['requested'] is None, (ask, answer, asked())
    said = cmdline(Machine('start', 'dev'))
    assert 'LocalPolicy ok, reduced security' in said and 'pome.marker=42' in said, said
    on_terminal(b'no')
    assert asked()['security'] == 'reduced' and asked()['requested'] is None
    on_terminal(b'yes')
    assert asked()['security'] == 'full' and asked()['requested'] is None
    text = pome('log', 'show', 'dev').stdout
    for line in ('refused: the owner of the host said no', 'was approved: a LocalPolicy was issued, security reduced', 'issued, security full'):
        assert line in text, line


def fell_through():
    """The signed boot set is spoiled: the start comes to Recovery and says why, and installing again mends it, under full security."""
    m = Recovery()
    said = m.do('. /etc/recovery.sh; use_isc; f=/isc/BOOT/$(head -c 8 /isc/BOOT/ACTIVE)/CMDLINE.IM4; '
                'printf x | dd of=$f bs=1 seek=40 conv=notrunc 2>/dev/null; sync; umount /isc; echo spo""iled')
    assert 'spoiled' in said, said
    m.power_off()
    m = Machine('start', 'dev')                     # an ordinary start
    said = m.wait_for(PROMPT)
    assert 'boot failed: stage 2, boot set' in said and 'came here because what was to be started was refused: boot set' in said, said[-3000:]
    said = m.run("show-log | grep 'normal boot set'", PROMPT) # log and image are there as if Recovery had been asked for
    assert 'firmware: pome stage2: the normal boot set cannot start, trying Recovery' in said, said
    said = m.run('reinstall --boot-set', PROMPT)
    assert 'Mending the signed boot set' in said and "The boot set is the image's" in said, said
    assert 'Mending' not in m.run('reinstall --boot-set', PROMPT)
    assert 'Pome Recovery' in m.run('help', PROMPT)
    m.type('reboot')
    assert 'LocalPolicy ok, full security' in m.wait_for('starting the kernel')
    login_with(m, NEW)
    assert 'Failed' not in m.run('poweroff', 'reboot: Power down')
    assert m.end() == 0


def keep_data():
    """The system is whole again and the data is there; the power fails in the middle, and every start leads back until it is done."""
    m = Recovery()
    m.type('reinstall --keep-data -y')
    m.wait_for('Copying the system')
    time.sleep(0.3)
    m.p.send_signal(signal.SIGKILL)
    m.end()
    m = Machine('start', 'dev')                     # an ordinary start
    assert 'reinstall --keep-data was interrupted' in m.wait_for(PROMPT)
    m.type('reinstall --keep-data -y')
    assert 'was installed again' in m.wait_for(PROMPT)
    assert 'is in order' in m.run('check-volume', PROMPT)
    m.power_off()
    m = Machine('start', 'dev')
    login_with(m, NEW)                              # the password stayed
    said = m.run('cat /root/file /usr/local/bin/tool /etc/hostname; ls -d /home/me; lsblk | head -2; find /etc/hostname; head -1 /etc/issue; ls /usr/lib/stray')
    for text in ('precious', 'mine', 'kept-name', '/home/me', 'vda', '/etc/hostname', 'Pome', 'No such file'):
        assert text in said, (text, said)
    assert 'is running' in m.run('systemctl is-system-running --wait >/dev/null; dpkg --audit && echo "it is" "running"')
    m.power_off()


def erase():
    """Nothing of the old system is left: no password, no file; NVRAM stays."""
    m = Recovery()
    assert 'nothing was done' in m.do('reinstall --erase', ('go on: ', 'no'))
    assert 'was installed again' in m.do('3', ('(keep-data/erase): ', 'erase'), ('go on: ', 'yes'))
    m.type('reboot')
    m.login()
    said = m.run('cat /root/file; cat /etc/hostname /proc/cmdline; df -k / | tail -1')
    assert 'precious' not in said and 'systemd.show_status=0' in said and '\npome' in said.replace('\r', ''), said
    m.power_off()


need_image()
for part in (settings, policy, fell_through, keep_data, erase):
    if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
        begin = time.monotonic()
        part()
        print('\n%s: %.1f s' % (part.__name__, time.monotonic() - begin))
