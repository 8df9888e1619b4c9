/* cells: see cells.h. */
#include "cmd/cells.h"

#include <assert.h>
#include <inttypes.h>

#include "policy/period.h"

const char *const cells_members[SUMS_MEMBERS] = {
	[SUMS_DAY] = "day",
	[SUMS_WORKSPACE] = "workspace",
	[SUMS_KEY] = "key",
	[SUMS_MODEL] = "model",
};

static uint64_t
calls(const struct tally *t)
{
	return t->calls;
}

static uint64_t
errors(const struct tally *t)
{
	return t->errors;
}

static uint64_t
cut(const struct tally *t)
{
	return t->cut;
}

static uint64_t
input(const struct tally *t)
{
	return t->input;
}

static uint64_t
output(const struct tally *t)
{
	return t->output;
}

/* As it is charged: what is not at the one-hour rate is at this one. */
static uint64_t
cache_write_5m(const struct tally *t)
{
	return t->cache_write > t->cache_write_1h ? t->cache_write - t->cache_write_1h : 0;
}

static uint64_t
cache_write_1h(const struct tally *t)
{
	return t->cache_write_1h;
}

static uint64_t
cache_read(const struct tally *t)
{
	return t->cache_read;
}

static uint64_t
cost(const struct tally *t)
{
	return t->nanousd;
}

const struct cells_sum cells_sums[CELLS_SUMS] = {
	{ "calls", "CALLS", false, calls },
	{ "errors", "ERRORS", false, errors },
	{ "cut", "CUT", false, cut },
	{ "input_tokens", "INPUT", false, input },
	{ "output_tokens", "OUTPUT", false, output },
	{ "cache_write_5m_tokens", "WRITE-5M", false, cache_write_5m },
	{ "cache_write_1h_tokens", "WRITE-1H", false, cache_write_1h },
	{ "cache_read_tokens", "READ", false, cache_read },
	{ "cost_usd", "COST-USD", true, cost },
};

int
cells_put_sum(
    struct buf *out, const struct cells_sum *sum, const struct tally *t, unsigned decimals)
{
	uint64_t v = sum->of(t);
	uint64_t step = 1, unit = 1;

	if (!sum->usd)
		return buf_addf(out, "%" PRIu64, v);
	assert(decimals > 0 && decimals <= CELLS_USD_EXACT);
	for (unsigned i = 0; i < CELLS_USD_EXACT; i++)
		*(i < decimals ? &unit : &step) *= 10;
	v = v / step + (v % step >= step / 2 + step % 2);
	return buf_addf(out, "%" PRIu64 ".%0*" PRIu64, v / unit, (int)decimals, v % unit);
}

struct span
cells_member(const struct tally_row *row, enum sums_member member, char day[static PERIOD_DAY_LEN])
{
	switch (member) {
	case SUMS_WORKSPACE:
		return row->workspace;
	case SUMS_KEY:
		return row->key;
	case SUMS_MODEL:
		return row->model;
	case SUMS_DAY:
	case SUMS_MEMBERS:
		break;
	}
	period_day_text(row->day, day);
	return span_of(day);
}
