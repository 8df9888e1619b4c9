#ifndef BASE_BUF_H
#define BASE_BUF_H

struct buf {
	int (*grow)(struct buf *b);
};

/* Gives the memory back. */
void buf_free(struct buf *b);
void buf_clear(struct buf *b);

extern const char buf_name[];

/* A comment further up belongs to nothing. */

int buf_add(struct buf *b, int n) __attribute__((warn_unused_result));

/* Short enough to stand here. */
static inline int
buf_left(const struct buf *b)
{
	return b ? 1 : 0;
}

__attribute__((noreturn)) void buf_die(void);

#endif
