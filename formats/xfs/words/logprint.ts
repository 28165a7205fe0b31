/** logprint: the records and transactions of the log, in xfs_logprint's words. */
import { says, word } from '../../../core/vfs/word.ts';
import {
  headingLines,
  listRecords,
  listTransactions,
  logHeading,
  recordLines,
  transactionLines,
} from '../log/print.ts';
import type { XfsMount } from '../mount.ts';
import { mountOf } from './mount-of.ts';

export const logprint = word({
  name: 'logprint',
  about: 'the records of the log, and what recovery would replay',
  help: 'Lists every record that is still in the log, oldest first, with its operations. The log is shown as it is on the image, also after it was replayed in memory.',
  count: [0, 1],
  options: { t: { about: 'only the transactions between tail and head: what a recovery replays' } },
  run(context, { options }) {
    return list(mountOf(context), options.t);
  },
});

function* list(mp: XfsMount, transactions: boolean) {
  const heading = logHeading(mp);
  yield says({ log: heading }, headingLines(heading));
  if (transactions) {
    for (const trans of listTransactions(mp)) {
      const items = trans.items.map(({ type, regions, data }) => ({ type, regions, detail: data }));
      yield says({ transaction: { ...trans, items } }, transactionLines(trans));
    }
    return;
  }
  for (const record of listRecords(mp)) {
    const operations = record.operations.map(({ lines: _, first: __, data, ...operation }) => ({
      ...operation,
      detail: data,
    }));
    yield says({ record: { ...record, operations } }, recordLines(record));
  }
}
