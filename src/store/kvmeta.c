/* kvmeta: see the header. Every store into the map is one that the compiler neither moves nor
 * leaves out, since the process may die after any of them. */
#include "store/kvmeta.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEADS	2u
#define NO_ROOT SIZE_MAX

/* MDB_db */
struct table {
	uint32_t pad;
	uint16_t flags, depth;
	size_t pages[3]; /* branches, leaves, overflow */
	size_t entries, root;
};

/* MDB_page's head and MDB_meta */
struct head {
	size_t number;
	uint16_t pad, flags;
	uint32_t bounds;
	uint32_t magic, version;
	void *address;
	size_t map_size;
	struct table free, main;
	size_t last_page;
	size_t txnid;
};

/* Ours, in the part of the first page that LMDB leaves alone. */
struct note {
	_Atomic size_t txnid;	 /* of a commit under way; 0: there is none */
	_Atomic size_t old_root; /* of the table in the head that the commit overwrites */
};

static struct head *
head_of(const struct kvmeta *m, size_t txnid)
{
	return (struct head *)((char *)m->heads + (txnid % HEADS) * m->page);
}

static struct note *
note_of(const struct kvmeta *m)
{
	return (struct note *)((char *)m->heads + m->page / 2);
}

int
kvmeta_open(struct kvmeta *m, int fd, bool writable)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p =
	    mmap(NULL, HEADS * page, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return errno;
	*m = (struct kvmeta){ p, page };
	return 0;
}

void
kvmeta_close(struct kvmeta *m)
{
	if (m->heads)
		(void)munmap(m->heads, HEADS * m->page);
	*m = (struct kvmeta){ 0 };
}

/* A commit changes the table, and so its root: pages are never written over. A root that stayed
 * was not stored yet, unless the table is as empty as before. */
bool
kvmeta_torn(const struct kvmeta *m)
{
	size_t txnid = atomic_load(&note_of(m)->txnid);
	const struct head *h = head_of(m, txnid);

	if (txnid == 0 || h->txnid != txnid || h->main.root != atomic_load(&note_of(m)->old_root))
		return false;
	return h->main.root != NO_ROOT || h->main.depth > 0;
}

/* The root comes last: until then the head counts as torn. */
static void
copy_head(struct head *to, const struct head *from)
{
	size_t root = from->main.root;
	struct table main = from->main;

	main.root = to->main.root;
	to->free = from->free;
	to->main = main;
	to->last_page = from->last_page;
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile size_t *)&to->main.root = root;
}

void
kvmeta_mend(struct kvmeta *m)
{
	size_t txnid = atomic_load(&note_of(m)->txnid);

	if (txnid == 0)
		return;
	if (kvmeta_torn(m))
		copy_head(head_of(m, txnid), head_of(m, txnid - 1));
	atomic_store(&note_of(m)->txnid, 0);
}

void
kvmeta_commit_begins(struct kvmeta *m, size_t txnid)
{
	struct note *n = note_of(m);

	atomic_store_explicit(&n->old_root, head_of(m, txnid)->main.root, memory_order_release);
	atomic_store_explicit(&n->txnid, txnid, memory_order_release);
}

void
kvmeta_commit_ends(struct kvmeta *m)
{
	atomic_store_explicit(&note_of(m)->txnid, 0, memory_order_release);
}
