"""`lianbo trigger`, `approvals` and `plans` where the policy wants a second person."""

from pathlib import Path

from broadcast.domain.approval_policy import DEFAULT
from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.officers import Officer, Role
from broadcast.domain.plans import Plan
from broadcast.domain.templates import Filling
from broadcast.service.ports import Account, Tx
from endpoints.protocol import Kind, Severity
from tests.cli.test_desk_commands import ADMIN, ALERT, on_duty
from tests.system.city import CITY

SECOND = Officer("second", "审批", Role.APPROVER, CITY)


async def test_an_alert_waits_is_shown_and_goes_out_when_another_approves(tmp_path: Path) -> None:
    async with on_duty(tmp_path, count=3) as duty:
        server = duty.city.server
        policy = server.governance.policy
        policy.second_person = True  # as delivered; the city of the tests is one officer's
        assert policy.now.policy == DEFAULT

        def furnish(tx: Tx) -> None:
            account = tx.accounts.get("admin")
            assert account is not None
            tx.accounts.add(Account(SECOND, account.password_hash))

        await server.store.write(furnish)
        code, output = await duty.run(*ALERT, "--yes")
        approval = output.splitlines()[-1]
        assert (code, "a second person" in output, duty.live()) == (3, True, [])
        code, output = await duty.run("approvals", "list", user="second")
        assert (code, approval in output, "you may decide" in output) == (0, True, True)
        code, output = await duty.run("approvals", "approve", approval, "--yes")
        assert (code, duty.live()) == (1, [])  # one's own
        code, output = await duty.run("approvals", "return", approval, "--reason", " ", user="second")
        assert code == 1
        code, output = await duty.run("approvals", "approve", approval, typed="y\n", user="second")
        assert (code, output.strip().endswith(duty.live()[0])) == (0, True)
        assert "测试，请注意" in output
        # the glass
        approval = (await duty.run(*ALERT, "--yes"))[1].splitlines()[-1]
        code, output = await duty.run("approvals", "break-glass", approval, "--reason", "联系不上")
        assert (code, output.splitlines()[-1] in duty.live()) == (0, True)
        # a plan that was approved goes out at once
        command = StartBroadcast(kind=Kind.EMERGENCY, areas=(CITY,), minutes=5)
        filled = Filling(Severity.RED, values={"river": "沙河"})
        draft = Plan("", "洪水", "", command, hotkey=1, template="flood", filling=filled)
        plans = server.governance.plans
        made = await plans.add(draft, by=ADMIN)
        await plans.approve(made.plan.id, by=SECOND, revision=1)
        code, output = await duty.run("plans", "list")
        assert (code, "approved" in output, "洪水" in output) == (0, True, True)
        code, output = await duty.run("plans", "start", "1", "--yes")
        assert (code, output.splitlines()[-1] in duty.live()) == (0, True), output
        assert (await duty.run("plans", "start", "7", "--yes"))[0] == 1
