static const char *const names[] = { "a", "b" };
static const int table[] = { 1, 2 };
static int count;
int level = 1;
static _Thread_local int depth;

int
next(int n)
{
	static int last = 3;

	last += n;
	return count++ + depth++ + last + table[n] + names[n][0];
}
