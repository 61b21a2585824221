using Vmm.Engine.Conformance.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests.Guests;

/// <summary>I/O instructions of all widths and forms.</summary>
internal static class PortGuests
{
    private const ulong ReadPattern = 0x8877_6655_4433_2211;

    public static IEnumerable<Guest> All =>
    [
        .. from mode in Enum.GetValues<GuestMode>() select Widths(mode),
        .. from mode in Enum.GetValues<GuestMode>() select Strings(mode),
        LongString,
        BackwardString,
        Left,
    ];

    private static Guest Widths(GuestMode mode) => new($"ports of all widths, {mode} mode", mode, a =>
    {
        a.mov(eax, 0x1234_5678);
        a.@out(0x80, al);
        a.@out(0x80, ax);
        a.@out(0x80, eax);
        a.mov(dx, 0x3F8);
        a.@out(dx, al);
        a.@out(dx, ax);
        a.@out(dx, eax);
        a.@in(al, 0x60);
        a.mov(bl, al);
        a.@in(ax, dx);
        a.mov(cx, ax);
        a.@in(eax, dx);
        a.mov(esi, eax);
    })
    {
        Respond = Answer,
        Check = machine =>
        {
            Assert.Equal(0x11UL, machine.Processor.Registers.Rbx & 0xFF);
            Assert.Equal(0x2211UL, machine.Processor.Registers.Rcx & 0xFFFF);
            Assert.Equal(0x4433_2211UL, machine.Processor.Registers.Rsi);
            Assert.Equal(9, machine.Transcript.Lines.Count(line => line.StartsWith("IoInstruction", StringComparison.Ordinal)));
        },
    };

    private static Guest Strings(GuestMode mode) => new($"strings of ports of all widths, {mode} mode", mode, a =>
    {
        // DS and ES have base 0 in every mode; the data lies below 64 KiB so that real mode reaches it.
        a.cld();
        a.mov(dx, 0x1F0);
        a.mov(esi, 0x4000);
        a.mov(ecx, 5);
        a.rep.outsb();
        a.mov(ecx, 3);
        a.rep.outsw();
        a.mov(ecx, 2);
        a.rep.outsd();
        a.outsb();
        a.mov(edi, 0x5000);
        a.mov(ecx, 5);
        a.rep.insb();
        a.mov(ecx, 3);
        a.rep.insw();
        a.mov(ecx, 2);
        a.rep.insd();
        a.insw();
        a.mov(ecx, 0);
        a.rep.outsb();
    })
    {
        Arrange = machine =>
        {
            for (int n = 0; n < 32; n++)
            {
                machine.Memory.Bytes[0x4000 + n] = (byte)(n + 1);
            }
        },
        Respond = Answer,
        Check = machine =>
        {
            Assert.Equal(0x4014UL, machine.Processor.Registers.Rsi);
            Assert.Equal(0x5015UL, machine.Processor.Registers.Rdi);
            Assert.Equal(0UL, machine.Processor.Registers.Rcx);
            Assert.Equal(
                "1111111111" + "112211221122" + "1122334411223344" + "1122",
                Convert.ToHexString(machine.Memory.Bytes.Slice(0x5000, 21)));
            Assert.Equal(22, machine.Transcript.Lines.Count(line => line.StartsWith("IoInstruction", StringComparison.Ordinal)));
        },
    };

    private static Guest LongString => new("a string of ports over a page boundary", GuestMode.Long, a =>
    {
        a.mov(edx, 0x1F0);
        a.mov(rdi, 0x2_0F00L);
        a.mov(ecx, 600);
        a.rep.insw();
    })
    {
        Respond = Answer,
        Check = machine =>
        {
            Assert.Equal(0x2_0F00UL + 1200, machine.Processor.Registers.Rdi);
            Assert.Equal(0x11, machine.Memory.Bytes[0x2_0F00 + 1198]);
            Assert.Equal(600, machine.Transcript.Lines.Count - 1);
        },
    };

    private static Guest BackwardString => new("a string of ports with the direction flag", GuestMode.Long, a =>
    {
        a.std();
        a.mov(edx, 0x1F0);
        a.mov(rsi, 0x2_0010L);
        a.mov(ecx, 4);
        a.rep.outsb();
        a.cld();
    })
    {
        Arrange = machine => new byte[] { 4, 3, 2, 1 }.CopyTo(machine.Memory.Bytes[0x2_000D..]),
        Respond = Answer,
        Check = machine => Assert.Equal(
            ["1", "2", "3", "4"],
            machine.Transcript.Lines.Take(4).Select(line => line[(line.IndexOf("Write 0x", StringComparison.Ordinal) + 8)..])),
    };

    /// <summary>The sink leaves at an access that it completes first: the instruction is not run again.</summary>
    private static Guest Left => new("an access completed before leaving", GuestMode.Long, a =>
    {
        a.@in(al, 0x60);
        a.mov(bl, al);
    })
    {
        Respond = (_, ref exit) =>
        {
            if (exit.Reason != ExitReason.IoInstruction)
            {
                return GuestMachine.Default(exit);
            }

            exit.Data = 0x55;
            exit.CompleteFirst = true;
            return VmExitAction.Leave;
        },
        Arrange = machine => machine.RunsAgain = true,
        Check = machine => Assert.Equal(0x55UL, machine.Processor.Registers.Rbx & 0xFF),
    };

    private static VmExitAction Answer(GuestMachine machine, ref VmExit exit)
    {
        if (exit.Access == VmExitAccess.Read)
        {
            exit.Data = ReadPattern;
        }

        return GuestMachine.Default(exit);
    }
}
