using System.Text.RegularExpressions;
using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Engine.Kvm.Vmx;
using Vmm.Tests;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>The vocabulary of VMX on engines: what fails, and by what name.</summary>
public sealed partial class VocabularyTests
{
    public static TheoryData<string> Engines => EngineNames.Present;

    public static TheoryData<VmcsField> Unsupported => [.. VmcsFields.All.ToArray().Where(component => !FieldHome.IsSupported(component))];

    [Theory]
    [MemberData(nameof(Engines))]
    public void Vmresume_of_a_clear_vmcs_is_error_5_and_vmlaunch_of_a_launched_one_error_4(string engine)
    {
        using GuestMachine machine = new Guest("nothing", GuestMode.Long, _ => { }) { Check = _ => { } }.Make(EngineNames.Find(engine));
        Assert.Equal(VmxResult.FailValid(VmInstructionError.VmresumeNonLaunchedVmcs), machine.Processor.VmResume(machine));
        machine.Run();
        Assert.Equal(VmxResult.FailValid(VmInstructionError.VmlaunchNonClearVmcs), machine.Processor.VmLaunch(machine));
        Assert.Equal((ulong)VmInstructionError.VmlaunchNonClearVmcs, machine[VmcsField.VmInstructionError]);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_bad_control_is_error_7(string engine)
    {
        using GuestMachine machine = new Guest("nothing", GuestMode.Long, _ => { }) { Check = _ => { } }.Make(EngineNames.Find(engine));
        machine[VmcsField.SecondaryProcessorBasedControls] |= 1u << 31;
        Assert.Equal(VmxResult.FailValid(VmInstructionError.EntryInvalidControlFields), machine.Processor.VmLaunch(machine));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Bad_guest_state_is_an_exit_with_reason_33(string engine)
    {
        using GuestMachine machine = new Guest("nothing", GuestMode.Long, _ => { }) { Check = _ => { } }.Make(EngineNames.Find(engine));
        machine[VmcsField.GuestCr4] &= ~(ulong)Cr4Bits.Pae; // an IA-32e mode guest needs it
        machine.Respond = (_, ref _) => VmExitAction.Leave;
        machine.Run();
        Assert.StartsWith("EntryFailureGuestState entry failure", Assert.Single(machine.Transcript.Lines));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void The_monitor_trap_flag_exits_after_every_instruction(string engine)
    {
        using GuestMachine machine = new Guest("steps", GuestMode.Long, a =>
        {
            a.nop();
            a.inc(ebx);
            a.nop();
        }) { Check = _ => { } }.Make(EngineNames.Find(engine));
        machine.Set(PrimaryProcessorBasedControls.MonitorTrapFlag);
        machine.Run();
        Assert.Equal(
            ["MonitorTrapFlag at 0x10001", "MonitorTrapFlag at 0x10003", "MonitorTrapFlag at 0x10004"],
            machine.Transcript.Lines.Take(3));
    }

    [KvmTheory]
    [MemberData(nameof(Unsupported))]
    public void A_field_that_kvm_keeps_to_itself_is_an_unsupported_component(VmcsField field)
    {
        using var machine = new GuestMachine(HostKvm.Engine, GuestMode.Long);
        VmxResult expected = VmxResult.FailValid(VmInstructionError.UnsupportedVmcsComponent);
        Assert.Equal(expected, machine.Processor.VmRead(field, out _));
        Assert.Equal(expected, machine.Processor.VmWrite(field, 0));
    }

    [KvmFact]
    public void Every_other_field_can_be_read()
    {
        using var machine = new GuestMachine(HostKvm.Engine, GuestMode.Long);
        Assert.All(VmcsFields.All.ToArray().Where(FieldHome.IsSupported), field => Assert.True(machine.Processor.VmRead(field, out _).IsSuccess, field.ToString()));
    }

    [KvmFact]
    public void Kvm_injects_no_pending_mtf_and_no_software_interrupt_of_virtual_8086_mode()
    {
        using GuestMachine machine = new Guest("nothing", GuestMode.Protected, _ => { }) { Check = _ => { } }.Make(HostKvm.Engine);
        VmxResult expected = VmxResult.FailValid(VmInstructionError.EntryInvalidControlFields);
        machine.Inject(InterruptionInformation.Create(InterruptionType.OtherEvent, 0));
        Assert.Equal(expected, machine.Processor.VmLaunch(machine));
        machine[VmcsField.GuestRflags] |= (ulong)(RflagsBits.Vm | RflagsBits.If);
        machine[VmcsField.EntryInstructionLength] = 2;
        machine.Inject(InterruptionInformation.Create(InterruptionType.SoftwareInterrupt, 0x80));
        Assert.Equal(expected, machine.Processor.VmLaunch(machine));
    }

    [KvmFact]
    public void A_software_event_that_a_kick_holds_back_is_seen_and_then_injected()
    {
        ulong seen = 0;
        using GuestMachine machine = new Guest("held back", GuestMode.Long, a =>
        {
            a.sti();
            a.nop();
            a.@out(0x10, al);
            a.ud2();
            a.nop();
        })
        {
            Arrange = made =>
            {
                made.Gate(0x41, GuestLayout.Handler);
                made.Assemble(GuestLayout.Handler, a => a.iretq());
            },
            Respond = (running, ref exit) =>
            {
                switch (exit.Reason)
                {
                    case ExitReason.IoInstruction:
                        running.Processor.Kick();
                        return VmExitAction.Complete;
                    case ExitReason.ExternalInterrupt when seen == 0:
                        running[VmcsField.EntryInstructionLength] = 2;
                        running.Inject(InterruptionInformation.Create(InterruptionType.SoftwareInterrupt, 0x41));
                        seen = 1;
                        running.Processor.Kick();
                        return VmExitAction.Resume;
                    case ExitReason.ExternalInterrupt:
                        seen = running[VmcsField.EntryInterruptionInformation];
                        return VmExitAction.Resume;
                    default:
                        return GuestMachine.Default(exit);
                }
            },
            Check = _ => { },
        }.Run(HostKvm.Engine);
        Assert.StartsWith("Hlt", machine.Transcript.Lines[^1]);
        Assert.Equal(InterruptionInformation.Create(InterruptionType.SoftwareInterrupt, 0x41).Value, seen);
    }

    [KvmFact]
    public void Control_bits_of_the_host_and_exceptions_other_than_debug_exceptions_and_breakpoints_are_beyond_kvm()
    {
        using var machine = new GuestMachine(HostKvm.Engine, GuestMode.Long);
        VmxResult expected = VmxResult.FailValid(VmInstructionError.UnsupportedVmcsComponent);
        Assert.Equal(expected, machine.Processor.VmWrite(VmcsField.Cr0GuestHostMask, 1));
        Assert.Equal(expected, machine.Processor.VmWrite(VmcsField.ExceptionBitmap, 1 << (int)ExceptionVector.PageFault));
        Assert.Equal(VmxResult.Succeed, machine.Processor.VmWrite(VmcsField.ExceptionBitmap, (1 << (int)ExceptionVector.Breakpoint) | (1 << (int)ExceptionVector.Debug)));
    }

    [KvmFact]
    public void A_fetch_from_where_no_memory_is_is_an_ept_violation_as_on_any_engine()
    {
        using GuestMachine machine = new Guest("nowhere", GuestMode.Long, a =>
        {
            a.mov(eax, (uint)GuestLayout.Device);
            a.jmp(rax);
        })
        {
            Check = _ => { },
            Respond = (_, ref exit) => exit.Reason == ExitReason.EptViolation ? VmExitAction.Leave : GuestMachine.Default(exit),
        }.Run(HostKvm.Engine);
        Assert.StartsWith("EptViolation Execute 0x30000000", machine.Transcript.Lines[^1]);
    }

    [Fact]
    public void The_documented_table_is_the_one_that_the_engine_works_by()
    {
        string[] documented = [.. TableRow().Matches(File.ReadAllText(Repository.At("sdk/docs/kvm-engine.md"))).Select(match => $"{match.Groups[1].Value}: {match.Groups[2].Value}")];
        string[] actual = [.. VmcsFields.All.ToArray().Select(field => $"{field}: {FieldHome.Of(field)}")];
        Assert.Equal(actual, documented);
    }

    [Fact]
    public void Every_difference_between_the_engines_is_explained()
    {
        string text = File.ReadAllText(Repository.At("sdk/docs/kvm-engine.md"));
        var constants = typeof(EngineDifferences).GetFields().Where(field => field.IsLiteral).Select(field => (string)field.GetRawConstantValue()!);
        Assert.All(constants, difference => Assert.Contains($"**{difference}.**", text, StringComparison.OrdinalIgnoreCase));
    }

    [GeneratedRegex(@"^\| (\w+) \| [0-9A-Fx]+ \| (.+?) \|$", RegexOptions.Multiline)]
    private static partial Regex TableRow();
}
