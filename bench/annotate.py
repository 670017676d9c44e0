#!/usr/bin/env python3
"""annotate.py [-n BLOCKS] [-l LEVEL] -- build/pome boot ...: where translated code spends its time.

Runs the command under perf with POME_PERF_MAP and POME_TRACE=x64, then prints the hottest blocks of the guest (level el0, el1 or
both) and the host code of the first BLOCKS with the number of samples beside each instruction. Needs perf and objdump, and room for
the trace (about 40 MB for a boot) in the temporary folder. Tracing slows the start down, not the code that runs.
"""
import argparse, collections, os, re, subprocess, sys, tempfile


def host_code(trace, symbol, samples):
    """(address, bytes) of the block that perf calls `symbol`: of its translations the one with most samples."""
    level, va, _, pa, _ = symbol.split('_')
    found = re.findall(r'%s block at 0x%s, 0x%s,.*?code (0x[0-9a-f]+), \d+ bytes.*?:\n((?:[0-9a-f]+\n)+)' % (level, va, pa), trace)
    made = [(int(at, 16), bytes.fromhex(code.replace('\n', ''))) for at, code in found]
    return max(made, key=lambda m: sum(n for at, n in samples.items() if 0 <= at - m[0] < len(m[1])), default=(0, b''))


def disassemble(folder, address, code):
    path = os.path.join(folder, 'code')
    with open(path, 'wb') as f:
        f.write(code)
    text = subprocess.run(['objdump', '-D', '-b', 'binary', '-m', 'i386:x86-64', '-M', 'intel', '--no-show-raw-insn',
                           '--adjust-vma=%#x' % address, path], capture_output=True, text=True, check=True).stdout
    return re.findall(r'^\s*([0-9a-f]+):\s*(.*)$', text, re.M)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('-n', type=int, default=1, help='blocks to disassemble')
    p.add_argument('-l', default='el[01]', help='el0, el1 (both)')
    p.add_argument('command', nargs='+')
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, log = os.path.join(folder, 'perf'), os.path.join(folder, 'trace')
        with open(log, 'wb') as f:
            subprocess.run(['perf', 'record', '-q', '-e', 'cpu-clock', '-F', '4000', '-o', data] + a.command, stdout=f, stderr=f,
                           env=dict(os.environ, POME_PERF_MAP='1', POME_TRACE='x64'))
        samples, blocks = collections.Counter(), collections.Counter()
        script = subprocess.run(['perf', 'script', '-i', data, '-F', 'ip,sym'], capture_output=True, text=True).stdout
        for line in script.splitlines():
            word = line.split()
            if len(word) >= 2 and re.match(a.l + '_', word[1]):
                samples[int(word[0], 16)] += 1
                blocks[word[1]] += 1
        if not blocks:
            sys.exit('annotate: no samples in translated code: does perf work here?')
        with open(log, errors='replace') as f:
            trace = f.read()
        for name, n in blocks.most_common(20):
            print('%5.1f%% %s' % (100 * n / sum(blocks.values()), name))
        for name, n in blocks.most_common(a.n):
            print('\n%s: %d samples' % (name, n))
            for at, text in disassemble(folder, *host_code(trace, name, samples)):
                print('%7s  %s  %s' % (samples.get(int(at, 16), ''), at[-6:], text))


main()
