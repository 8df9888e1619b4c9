/* price: see price.h. */
#include "policy/price.h"

#include "policy/quota.h"

/* sum, which is at most QUOTA_NANOUSD_MAX, with so many tokens more. */
static uint64_t
add(uint64_t sum, uint64_t tokens, uint64_t rate)
{
	if (rate > 0 && tokens > (QUOTA_NANOUSD_MAX - sum) / rate)
		return QUOTA_NANOUSD_MAX;
	return sum + tokens * rate;
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool
is_long(const struct price *p, uint64_t prompt)
{
	return p->long_above > 0 && prompt > p->long_above;
}

/* The price of a long prompt, as one that is the same for every length. */
static struct price
long_price(const struct price *p)
{
	return (struct price){
		.input = p->long_input,
		.output = p->long_output,
		.cache_write_5m = p->long_cache_write_5m,
		.cache_write_1h = p->long_cache_write_1h,
		.cache_read = p->long_cache_read,
	};
}

uint64_t
price_cost(const struct price *p, const struct usage *u)
{
	uint64_t hour = u->cache_write_1h < u->cache_write ? u->cache_write_1h : u->cache_write;
	struct price at =
	    is_long(p, u->input + u->cache_write + u->cache_read) ? long_price(p) : *p;
	uint64_t sum = add(0, u->input, at.input);

	sum = add(sum, u->output, at.output);
	sum = add(sum, hour, at.cache_write_1h);
	sum = add(sum, u->cache_write - hour, at.cache_write_5m);
	return add(sum, u->cache_read, at.cache_read);
}

/* price_most of a price that is the same for every length. */
static uint64_t
most(const struct price *p, uint64_t input, uint64_t output)
{
	uint64_t written = larger(p->cache_write_5m, p->cache_write_1h);
	uint64_t rate = larger(larger(p->input, p->cache_read), written);

	return add(add(0, input, rate), output, p->output);
}

/* The tokens are upper bounds: what is long at most may turn out to be short and then dearer, when
 * a list says so. */
uint64_t
price_most(const struct price *p, uint64_t input, uint64_t output)
{
	if (!is_long(p, input))
		return most(p, input, output);

	struct price beyond = long_price(p);

	return larger(most(p, p->long_above, output), most(&beyond, input, output));
}
