/** Recovery of a crashed image: in memory until the first change, which makes it permanent wherever it is cut short. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Device } from '../../core/device/device.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { type RecordedEvent, RecorderDevice } from '../../core/device/recorder.ts';
import { mountXfs, type XfsFilesystem } from '../../formats/xfs/filesystem.ts';
import { listRecords, listTransactions } from '../../formats/xfs/log/print.ts';
import { imageDevice, imageManifest } from '../harness/images.ts';
import { Random } from '../harness/random.ts';

const recover = suite('xfs log recovery');
const image = imageDevice('xfs-dirty-log');
const manifest = imageManifest('xfs-dirty-log').files;

function open(device: Device, norecovery = false): XfsFilesystem {
  return mountXfs(device, {
    readOnly: false,
    norecovery,
    devices: [],
    now: () => ({ seconds: 1_800_000_000, nanoseconds: 0 }),
    owner: { uid: 0, gid: 0, umask: 0o22 },
    random: () => 0.5,
  });
}

/** What a few hundred paths look like: enough to see whether the log's changes are there, all of them. */
function fingerprint(fs: XfsFilesystem): string {
  const lines: string[] = [];
  for (const [path, entry] of Object.entries(manifest)) {
    let ino: number | null = fs.root().ino;
    for (const name of path.split('/').filter((part) => part !== ''))
      ino = ino === null ? null : fs.iget(ino).lookup(name);
    const stat = ino === null ? null : fs.iget(ino).stat();
    lines.push(
      `${path} ${entry.ino} ${stat?.ino} ${stat?.size} ${stat?.nlink} ${stat?.nextents} ${stat?.mtime.nanoseconds}`,
    );
  }
  return lines.join('\n');
}

function matchesManifest(fs: XfsFilesystem): void {
  for (const [path, entry] of Object.entries(manifest)) {
    let ino: number | null = fs.root().ino;
    for (const name of path.split('/').filter((part) => part !== ''))
      ino = ino === null ? null : fs.iget(ino).lookup(name);
    assert.is(ino, entry.ino, path);
    const stat = fs.iget(ino as number).stat();
    assert.is(stat.size, entry.size, path);
    assert.is(stat.nlink, entry.nlink, path);
  }
}

recover('shows what Linux shows after recovery, and writes nothing', () => {
  const recorder = new RecorderDevice(new OverlayDevice(image));
  const fs = open(recorder);
  matchesManifest(fs);
  fs.unmount();
  assert.is(recorder.events.filter((event) => event.kind === 'write').length, 0);
});

recover('without recovery the changes of the log are not there', () => {
  const fs = open(new OverlayDevice(image), true);
  assert.match(String(fs.status), /log not replayed/);
  assert.is.not(fingerprint(fs), fingerprint(open(new OverlayDevice(image))));
  assert.throws(() => fs.mp.transact('x', () => {}), /needs recovery/);
});

recover('the first change makes it permanent, and the log is clean at the end', () => {
  const device = new OverlayDevice(image);
  const fs = open(device);
  fs.mp.transact('touch', (tp) => tp.modify(fs.mp.agf(0), 0, 4));
  fs.unmount();
  const again = open(device);
  assert.is(again.mp.log.found().clean, true);
  matchesManifest(again);
});

recover('power lost at any write of that: the same state, from the old log or the new one', () => {
  const recorder = new RecorderDevice(new OverlayDevice(image));
  const fs = open(recorder);
  const wanted = fingerprint(fs);
  fs.mp.transact('touch', (tp) => tp.modify(fs.mp.agf(0), 0, 4));
  fs.unmount();
  const events = recorder.events;
  const random = new Random(7);
  for (let cut = 0; cut <= events.length; cut++) {
    const device = new OverlayDevice(image);
    apply(events.slice(0, cut), device, random);
    assert.is(fingerprint(open(device)), wanted, `cut after ${cut} of ${events.length} events`);
  }
});

/** Everything before the last flush is there, of the rest a random part. */
function apply(events: readonly RecordedEvent[], device: Device, random: Random): void {
  let flushed = events.length - 1;
  while (flushed >= 0 && events[flushed]?.kind !== 'flush') flushed--;
  for (const [index, event] of events.entries()) {
    if (event.kind === 'write' && (index < flushed || random.oneIn(2))) device.write(event.addr, event.bytes);
  }
}

recover('logprint lists records and transactions', () => {
  const { mp } = open(new OverlayDevice(image));
  const records = [...listRecords(mp)];
  assert.ok(records.length > 10);
  assert.equal(records.at(-1)?.lsn, [1, 1850]);
  const [transaction] = [...listTransactions(mp)];
  assert.equal(transaction?.lsn, [1, 1850]);
  assert.ok((transaction?.items.length ?? 0) > 50);
});

recover('a damaged last record counts as torn, as in Linux: the state before it is shown', () => {
  const device = new OverlayDevice(image);
  const { area, tail } = open(device).mp.log.found();
  const block = new Uint8Array(512);
  device.read(area.start + (tail + 5) * 512, block);
  block[100] = (block[100] as number) ^ 1;
  device.write(area.start + (tail + 5) * 512, block);
  const fs = open(device);
  assert.is(fs.mp.log.found().torn, tail);
  assert.is(fs.root().lookup('log-only-1'), null);
});

recover.run();
