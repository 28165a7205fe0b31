/**
 * The inodes of an image that are in use, by the number space they belong to (btrfs: the tree of a subvolume) and their
 * number: there is one object for an inode as long as anybody holds it. Those that nobody seems to need are held weakly
 * once there are many, so that memory stays bounded by what is in use.
 */
const MAX_HELD = 8192;

interface Held {
  readonly ino: number;
  /** Memory knows more of it than the disk, or it is open. */
  readonly needed: boolean;
}

export class HeldInodes<T extends Held> {
  private readonly spaces = new Map<number, Map<number, T | WeakRef<T>>>();
  private held = 0;
  private limit = MAX_HELD;

  /** The inode if it is known. */
  get(ino: number, space = 0): T | null {
    const slots = this.spaces.get(space);
    const slot = slots?.get(ino);
    if (slots === undefined || slot === undefined) return null;
    if (!(slot instanceof WeakRef)) return slot;
    const inode = slot.deref();
    if (inode === undefined) return null;
    slots.set(ino, inode);
    this.held++;
    return inode;
  }

  add(inode: T, space = 0): void {
    if (this.held >= this.limit) this.prune();
    let slots = this.spaces.get(space);
    if (slots === undefined) {
      slots = new Map();
      this.spaces.set(space, slots);
    }
    slots.set(inode.ino, inode);
    this.held++;
  }

  /** Forgets an inode that is gone. */
  forget(ino: number, space = 0): void {
    const slots = this.spaces.get(space);
    const slot = slots?.get(ino);
    if (slots === undefined || slot === undefined) return;
    if (!(slot instanceof WeakRef)) this.held--;
    slots.delete(ino);
  }

  /** Forgets all inodes of a number space that is gone. */
  forgetSpace(space: number): void {
    for (const slot of this.spaces.get(space)?.values() ?? []) if (!(slot instanceof WeakRef)) this.held--;
    this.spaces.delete(space);
  }

  /** Every inode that is held. */
  *all(): IterableIterator<T> {
    for (const slots of this.spaces.values())
      for (const slot of slots.values()) if (!(slot instanceof WeakRef)) yield slot;
  }

  /** Lets go of the older half of what nobody needs; who still has such an inode keeps the only one there is. */
  private prune(): void {
    let drop = this.held / 2;
    for (const slots of this.spaces.values()) {
      for (const [ino, slot] of slots) {
        if (slot instanceof WeakRef) {
          if (slot.deref() === undefined) slots.delete(ino);
        } else if (drop > 0 && !slot.needed) {
          slots.set(ino, new WeakRef(slot));
          this.held--;
          drop--;
        }
      }
    }
    // When most of them must stay, the next look waits until there are twice as many.
    this.limit = Math.max(MAX_HELD, this.held * 2);
  }
}
