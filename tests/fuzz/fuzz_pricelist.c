/* fuzz_pricelist: whatever a list of prices says, what is taken of it is whole: each pattern stands
 * there once and finds itself or one before it, every price is in its range, and a list without a
 * word on any line is empty. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/limits.h"
#include "policy/pricelist.h"
#include "policy/quota.h"

#define RATE_MAX 1000000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_price(const struct price *p)
{
	const struct usage one = { 1, 1, 2, 1, 1 };
	uint64_t cost = price_cost(p, &one);

	assert(p->input <= RATE_MAX && p->output <= RATE_MAX && p->cache_read <= RATE_MAX);
	assert(p->cache_write_5m <= RATE_MAX && p->cache_write_1h <= RATE_MAX);
	assert(p->long_input <= RATE_MAX && p->long_output <= RATE_MAX);
	assert(p->long_cache_write_5m <= RATE_MAX && p->long_cache_write_1h <= RATE_MAX);
	assert(p->long_cache_read <= RATE_MAX && p->long_above <= TOKENS_MAX);
	assert(cost <= price_most(p, 4, 1) && price_most(p, 4, 1) <= QUOTA_NANOUSD_MAX);
}

static void
check_rows(const struct pricelist *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct pricelist_row *row = &l->rows[i];
		const struct price *found = pricelist_find(l, span_of(row->pattern));

		assert(row->pattern[0] != '\0' && strlen(row->pattern) <= MODEL_MAX);
		assert(row->line > (i > 0 ? l->rows[i - 1].line : 0));
		assert(found && found <= &row->price);
		check_price(&row->price);
		for (size_t j = 0; j < i; j++)
			assert(strcmp(l->rows[j].pattern, row->pattern) != 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct findings f = { 0 };
	struct pricelist l;
	int rc = pricelist_read(&l, (struct span){ (const char *)data, size }, &f);

	assert(rc == 0);
	assert(f.n == f.errors || f.full);
	assert(size > 0 || (l.n == 0 && f.n == 0));
	check_rows(&l);
	pricelist_free(&l);
	finding_free(&f);
	return 0;
}
