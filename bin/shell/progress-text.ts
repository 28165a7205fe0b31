/** A progress line: how far, how fast, how long still. */
import type { Progress } from './engine-client.ts';

/** Seconds before anything is said. */
export const PATIENCE = 0.5;

/** `pwrite 45%  1.2 of 2.7 GiB, 310 MiB/s, 5 s left`; without a known end, the time that it took so far. */
export function progressText(command: string, { done, total, bytes }: Progress, seconds: number): string {
  const parts: string[] = [];
  if (total > 0 && done <= total) parts.push(`${command} ${Math.floor((100 * done) / total)}%`);
  else parts.push(command);
  if (bytes && done > 0) {
    parts.push(total >= done ? `${sizeText(done)} of ${sizeText(total)}` : sizeText(done));
    parts.push(`${sizeText(done / seconds)}/s`);
  }
  if (total > 0 && done > 0 && done <= total) parts.push(`${timeText((seconds / done) * (total - done))} left`);
  else parts.push(timeText(seconds));
  return parts.join(', ');
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

function timeText(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = Math.floor(seconds % 60);
  if (minutes < 60) return `${minutes}:${String(rest).padStart(2, '0')} min`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')} h`;
}
