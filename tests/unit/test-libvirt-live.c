/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a VM stands, with answers that no host gives on order put in place of libvirt's. */
#include "unit.h"

#include "cloud/cloud-migrate.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

/* UUID of the VM of test:///default. */
static const char uuid[] = "6695eb01-f6a4-8304-79aa-97f2502e193f";

/* What they answer. */
static int job_type, job_code, state_now, reason_now;

int __wrap_virDomainGetJobInfo(virDomainPtr domain, virDomainJobInfoPtr info);
int __wrap_virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags);
int __wrap_virGetLastErrorCode(void);

int __wrap_virDomainGetJobInfo(virDomainPtr domain, virDomainJobInfoPtr info)
{
	info->type = job_type;
	return job_code == VIR_ERR_OK ? 0 : -1;
}

int __wrap_virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags)
{
	*state = state_now;
	if (reason)
		*reason = reason_now;
	return 0;
}

int __wrap_virGetLastErrorCode(void)
{
	return job_code;
}

static bool stand(struct cloud_standing *ret, GError **error)
{
	g_autoptr(Cloud) cloud = cloud_connect("test:///default", NULL, NULL, error);

	return cloud && cloud_domain_standing(cloud, uuid, ret, NULL, error);
}

/* No answer about its job is no answer: else a VM on its way would seem to stand. */
static void test_job(void **state)
{
	static const struct {
		int type, code;
		bool ok, job;
	} cases[] = {
		{ VIR_DOMAIN_JOB_NONE, VIR_ERR_OK, true, false },
		{ VIR_DOMAIN_JOB_UNBOUNDED, VIR_ERR_OK, true, true },
		{ VIR_DOMAIN_JOB_CANCELLED, VIR_ERR_OK, true, true }, /* not over yet */
		{ VIR_DOMAIN_JOB_COMPLETED, VIR_ERR_OK, true, false },
		{ VIR_DOMAIN_JOB_NONE, VIR_ERR_OPERATION_INVALID, true, false }, /* off */
		{ VIR_DOMAIN_JOB_NONE, VIR_ERR_OPERATION_TIMEOUT, false, false },
		{ VIR_DOMAIN_JOB_NONE, VIR_ERR_INTERNAL_ERROR, false, false },
	};

	state_now = VIR_DOMAIN_RUNNING;
	reason_now = VIR_DOMAIN_RUNNING_BOOTED;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		struct cloud_standing it = { 0 };
		bool ok;

		job_type = cases[i].type;
		job_code = cases[i].code;
		ok = stand(&it, &error);
		if (ok != cases[i].ok || (ok && it.job != cases[i].job))
			fail_msg("case %zu: %s, job %d", i, ok ? "an answer" : error->message,
				 it.job);
	}
}

static void test_reasons(void **state)
{
	static const struct {
		int state, reason;
		bool moved_away, own_end, moving, postcopy, torn;
	} cases[] = {
		{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_MIGRATED, true },
		{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_UNKNOWN },
		{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DAEMON },
		{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SHUTDOWN, false, true },
		{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DESTROYED, false, true },
		{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED, false, true },
		{ VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER },
		{ VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION, false, false, true },
		{ VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY, false, false, true },
		{ VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY_FAILED, .torn = true },
		{ VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_MIGRATED },
		{ VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY, .postcopy = true },
		{ VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY_FAILED, .torn = true },
	};

	job_type = VIR_DOMAIN_JOB_NONE;
	job_code = VIR_ERR_OK;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		struct cloud_standing it;

		state_now = cases[i].state;
		reason_now = cases[i].reason;
		assert_ok(stand(&it, &error), error);
		if (it.moved_away != cases[i].moved_away || it.own_end != cases[i].own_end ||
		    it.moving != cases[i].moving || it.postcopy != cases[i].postcopy ||
		    it.torn != cases[i].torn)
			fail_msg("case %zu: %d %d %d %d %d", i, it.moved_away, it.own_end,
				 it.moving, it.postcopy, it.torn);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_job),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
