/* redislink: the connections of a process to one Redis server, and questions over them. It connects
 * again by itself, keeps every wait within a limit, and says for each question without an answer
 * whether the server may have got it. The home of hiredis, which reads the answers. Reasons are
 * logged here, when they change. Times are of clock_mono_ms. */
#ifndef POSTERN_STORE_REDISLINK_H
#define POSTERN_STORE_REDISLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "store/store.h"

#define REDISLINK_AGAIN_MS 500 /* so long after a failed connect nobody tries the next */

struct redislink;
struct redislink_hold; /* one connection, in use by one thread */
struct redisReply;     /* hiredis' own */

/* A question: words, the first of which is the command. */
struct redislink_words {
	struct buf text;
	size_t n;
	bool once;   /* it must not reach the server twice */
	bool light;  /* a server that cannot write now answers it all the same */
	bool broken; /* a word was lost for lack of memory */
};

/* What came back. */
struct redislink_answer {
	struct redisReply *reply; /* NULL: none */
	bool sent;		  /* without an answer: the server may still carry it out */
	bool late;		  /* without an answer: because the time was over */
	const char *why;	  /* without an answer: a fixed text */
};

/* An empty question. */
struct redislink_words redislink_words(void);

/* Appends a word. */
void redislink_word(struct redislink_words *w, struct span s);

/* Appends a number in decimal. */
void redislink_number(struct redislink_words *w, int64_t n);

/* As redislink_number; what does not fit there is cut to what does. */
void redislink_count(struct redislink_words *w, uint64_t n);

/* Wipes and frees. */
void redislink_words_free(struct redislink_words *w);

/* Makes the pool; connects nothing yet. What is needed of c is copied. NULL when it cannot be;
 * logged. */
struct redislink *redislink_open(const struct conf_store *c);

/* Closes all connections; nobody may be asking. NULL is fine. */
void redislink_close(struct redislink *l);

/* Asks over a connection of the pool; the answer is there by by_ms, whatever has to be waited for
 * (connecting and a free connection no longer than the configured time). STORE_OK: the answer is
 * there, also an empty one. STORE_NOT_FOUND: the server does not know the script. STORE_AWAY: there
 * is no server, or it says that it cannot now. STORE_BROKEN: it refuses the password or the
 * question. The caller frees the answer whatever is returned. */
MUST_CHECK enum store_status redislink_ask(struct redislink *l, const struct redislink_words *w,
    int64_t by_ms, struct redislink_answer *a);

/* Gives one caller a connection for himself. Status as redislink_ask's. */
MUST_CHECK enum store_status redislink_hold(
    struct redislink *l, int64_t by_ms, struct redislink_hold **out);

/* Asks over it; nothing is repeated. */
MUST_CHECK enum store_status redislink_hold_ask(struct redislink *l, struct redislink_hold *h,
    const struct redislink_words *w, int64_t by_ms, struct redislink_answer *a);

/* Gives it back. One that holds state (WATCH, MULTI) is spoilt, and closed. */
void redislink_hold_end(struct redislink *l, struct redislink_hold *h, bool spoilt);

/* Frees; the answer is then empty. */
void redislink_answer_free(struct redislink_answer *a);

/* Whether the answer is a list; what was watched and changed gives none. */
bool redislink_is_list(const struct redislink_answer *a);

/* How many elements an answer that is a list has; 0 for any other. */
size_t redislink_elements(const struct redislink_answer *a);

/* An element of a list as a number. -1 when it is not there or none. */
MUST_CHECK int redislink_element_number(const struct redislink_answer *a, size_t i, int64_t *out);

/* An element of a list as text; .p NULL when it is not there or none. */
struct span redislink_element_text(const struct redislink_answer *a, size_t i);

/* The answer itself as a number. -1 when it is none. */
MUST_CHECK int redislink_answer_number(const struct redislink_answer *a, int64_t *out);

/* The answer itself as text; .p NULL when it is none. */
struct span redislink_answer_text(const struct redislink_answer *a);

/* From now on nobody waits for longer than this. */
void redislink_hurry(struct redislink *l, int64_t timeout_ms);

/* Until when a question may take that is asked now. */
int64_t redislink_by_ms(const struct redislink *l);

/* Why the server could not be used the last time, a fixed text; NULL while it can. */
const char *redislink_why(struct redislink *l);

#endif
