/** `major:minor` of a device number as stat(2) gives it on Linux, the way sysfs and mountinfo write it. */
export function deviceNumber(rdev: number): string {
  const high = Math.floor(rdev / 0x1_0000_0000);
  const low = rdev % 0x1_0000_0000;
  const major = ((low >>> 8) & 0xfff) + (high & 0xfffff) * 0x1000;
  const minor = (low & 0xff) + ((low >>> 20) & 0xfff) * 0x100;
  return `${major}:${minor}`;
}
