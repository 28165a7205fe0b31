/** A time as ctime(3) prints it, in the local time zone. */
import type { Timestamp } from './vfs/inode.ts';

/** `Mon Nov  3 09:05:00 2025`; what no calendar has as seconds since 1970. */
export function calendarTime(time: Pick<Timestamp, 'seconds'>): string {
  const date = new Date(Number(time.seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `${time.seconds} seconds since 1970`;
  const [day, month] = [
    date.toLocaleString('en-US', { weekday: 'short' }),
    date.toLocaleString('en-US', { month: 'short' }),
  ];
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0'));
  return `${day} ${month} ${String(date.getDate()).padStart(2)} ${clock.join(':')} ${date.getFullYear()}`;
}
