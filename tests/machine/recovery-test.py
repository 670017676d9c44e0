#!/usr/bin/env -S python3 -B
# Recovery: passwords, NVRAM, the log, installing again with the data kept (also after a power cut) and erased
import os, signal, time
from visit import *

PROMPT = 'recovery# '
NEW = 'correct horse 7'


class Recovery(Machine):
    def __init__(self):
        super().__init__('start', 'dev', '--recovery')
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
    assert 'no user "nobody-here"' in m.do('reset-password nobody-here')
    assert 'they differ' in m.do('reset-password root', ('password of root: ', 'a'), ('again: ', 'b'))
    assert 'was changed' in m.do('6', ('User (root): ', ''), ('password of root: ', NEW), ('again: ', NEW))
    assert 'auto-boot\ttrue' in m.do('nvram')
    m.do('nvram set boot-args pome.marker=%d systemd.show_status=0' % 41)
    m.do('nvram set boot-args pome.marker=%d systemd.show_status=0' % 42)
    assert 'pome.marker=42' in m.do('nvram get boot-args')
    assert 'no variable' in m.do('nvram delete never-set')
    assert 'the host' in m.do('security')
    assert 'usage' not in m.do('reinstall --status')
    m.power_off()
    m = Machine('start', 'dev')
    login_with(m, NEW)
    assert 'pome.marker=42' in m.run('cat /proc/cmdline')
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


def keep_data():
    """The system is whole again and the data is there; the power fails in the middle, and every start leads back until it is done."""
    m = Recovery()
    m.type('reinstall --keep-data -y')
    m.wait_for('Copying the system')
    time.sleep(1)
    m.p.send_signal(signal.SIGKILL)
    m.end()
    m = Machine('start', 'dev')                     # an ordinary start
    assert 'reinstall --keep-data was interrupted' in m.wait_for(PROMPT)
    m.type('reinstall --keep-data -y')
    assert 'was installed again' in m.wait_for(PROMPT, 240)
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
    assert 'precious' not in said and 'pome.marker=42' in said and '\npome' in said.replace('\r', ''), said
    m.power_off()


need_image()
for part in (settings, keep_data, erase):
    begin = time.monotonic()
    part()
    print('\n%s: %.1f s' % (part.__name__, time.monotonic() - begin))
