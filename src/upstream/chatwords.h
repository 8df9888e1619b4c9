/* chatwords: what answers of chat completions, whole and streamed, have in common, in the words of
 * the Messages API (https://platform.openai.com/docs/api-reference/chat/object). Pure. */
#ifndef POSTERN_UPSTREAM_CHATWORDS_H
#define POSTERN_UPSTREAM_CHATWORDS_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/usage.h"
#include "upstream/kind.h"

#define CHAT_ID_MAX   126u /* of an id, between its quotes */
#define CHAT_STOP_MAX 256u /* of a stop sequence, as JSON */

/* Why an answer ended, as far as it has been told. */
struct chatstop {
	bool told;			 /* there is a finish_reason */
	bool failed;			 /* it is one of an answer that broke off */
	bool refused;			 /* the model said that it will not */
	bool calls;			 /* it called a tool */
	const char *reason;		 /* of the API; NULL: end_turn, or tool_use when it calls */
	char matched[CHAT_STOP_MAX + 1]; /* the stop sequence, raw JSON; empty: not told */
};

/* Takes a choice's finish_reason, and what stop sequence the server says it met (stop_reason of
 * vLLM, matched_stop of SGLang; p NULL: nothing of it). */
void chatwords_stop(struct chatstop *s, struct span finish, struct span matched);

/* Whether it ended because max_tokens were used up, so that its last call may be incomplete. */
bool chatwords_ran_out(const struct chatstop *s);

/* Appends `"stop_reason":…,"stop_sequence":…`. -1 when out is full. */
MUST_CHECK int chatwords_put_stop(const struct chatstop *s, struct buf *out);

/* Takes the counts out of a chat completion's usage. False, and no change, when it counts nothing.
 */
bool chatwords_usage(struct usage *u, struct span usage_object);

/* The counts where the server gave none: what the request was reckoned at, and `told` bytes of
 * text as JSON. */
void chatwords_reckon(struct usage *u, const struct ask *ask, uint64_t told);

/* Appends the counts as the API has them. -1 when out is full. */
MUST_CHECK int chatwords_put_usage(const struct usage *u, struct buf *out);

/* Appends a message up to its content: `{"id":…,"content":[`. Its id is the server's; ours where
 * that is none. -1 when out is full. */
MUST_CHECK int chatwords_put_head(const struct ask *ask, struct span id, struct buf *out);

/* Appends the id of the nth call: the server's, ours where it gave none. -1 when out is full. */
MUST_CHECK int chatwords_put_call_id(
    const struct ask *ask, struct span id, size_t nth, struct buf *out);

enum chat_arguments { ARGUMENTS_NONE, ARGUMENTS_OBJECT, ARGUMENTS_BAD };

/* Reads the arguments of a call, a JSON string: there are none, which servers say by blanks or null
 * as well; they are an object, which is appended to out (NULL: nowhere); or they are something
 * else, or out is full. */
enum chat_arguments chatwords_arguments(struct span arguments, struct buf *out);

enum chat_piece { CHAT_THINKING, CHAT_TEXT, CHAT_REFUSAL };

/* Takes a piece of what the model said, the inside of a JSON string. -1 stops. */
typedef int chatwords_take(void *arg, enum chat_piece kind, struct span text);

/* Walks over what a message, or a delta of one, says, but for its calls: what the model thought
 * (reasoning_content, or reasoning as newer servers have it), its content as a string or as a list
 * of texts and thoughts, and a refusal. -1 when take stopped, or it says something in another way.
 */
MUST_CHECK int chatwords_said(struct span message, chatwords_take *take, void *arg);

#endif
