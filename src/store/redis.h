/* store_redis: keys, limits and totals in one Redis (7 or later, or Valkey) that several web
 * servers share. Takes and settlements are one round trip each, to the script of redis.lua, under
 * the clock of Redis. Every finished call goes to this machine's books first: from there its line
 * gets into the ledger here and the sums there, and a settlement that Redis did not answer is
 * repeated with it, once.
 *
 * While Redis is away takes answer STORE_AWAY. With store_away = "local" they are this machine's
 * own limiter's, keys that were seen within the last hour stay good, and what was spent reaches the
 * budgets in Redis when it is back.
 *
 * Everything lies under keys that begin with {postern}:. The macros below are what a user of the
 * ACL needs for it.
 */
#ifndef POSTERN_STORE_REDIS_H
#define POSTERN_STORE_REDIS_H

#include <stdint.h>

#include "base/check.h"
#include "store/store.h"

/* How long a key that was found is not asked for again, so that a revoked key is refused within a
 * second everywhere; and how long it stays good when Redis is away and store_away is "local". */
#define REDIS_KEY_MS	  500
#define REDIS_KEY_AWAY_MS INT64_C(3600000)

/* `ACL SETUSER <name> on >PASSWORD` and this, for the gateway. redis_warn wants +info +config|get
 * as well and says less without them. */
#define REDIS_ACL_GATEWAY                                                                         \
	"~{postern}:* resetchannels -@all +ping +select +client|setname +evalsha +script|load "   \
	"+time +get +mget +set +del +hget +hset +hdel +hexists +hgetall +hincrby +pexpire +zadd " \
	"+zrem +zrangebyscore"

/* The same for who changes keys (`postern key`) and does nothing else. */
#define REDIS_ACL_KEYS                                                                      \
	"~{postern}:keys resetchannels -@all +select +client|setname +hgetall +hset +hdel " \
	"+watch +multi +exec"

extern const struct store_kind store_redis;

/* What keeps the configured Redis from being used: a fixed text; NULL: nothing. Writes and removes
 * one key of its own. */
const char *redis_check(const struct conf *c);

/* What is doubtful about its settings: a fixed text; NULL: nothing, or it cannot be seen. */
const char *redis_warn(const struct conf *c);

#endif
