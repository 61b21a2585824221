using Vmm.Engine.Conformance.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests.Guests;

/// <summary>Device memory, ROM, and code that changes itself.</summary>
internal static class MemoryGuests
{
    private const byte GatePort = 0x92;

    public static IEnumerable<Guest> All => [LongWidths, ProtectedWidths, ReadModifyWrite, DeviceStrings, Rom, SelfModifying, PatchedLoop, AddressLine20];

    /// <summary>A closed gate shows the first MiB in the second, from one exit to the next.</summary>
    private static Guest AddressLine20 => new("address line 20", GuestMode.Real, a =>
    {
        const byte Open = 1, Close = 0;
        a.mov(ax, 0xFFFF);
        a.mov(es, ax);
        a.xor(ax, ax);
        a.mov(ds, ax);
        a.mov(si, 0x500);
        a.mov(di, 0x510); // FFFF:0510 is 1 MiB + 0500
        a.mov(__byte_ptr[si], 0x11);
        a.mov(__byte_ptr.es[di], 0x22);
        a.mov(bl, __byte_ptr[si]);
        a.mov(al, Close);
        a.@out(GatePort, al);
        a.mov(bh, __byte_ptr.es[di]);
        a.mov(__byte_ptr.es[di], 0x33);
        a.mov(cl, __byte_ptr[si]);
        a.mov(al, Open);
        a.@out(GatePort, al);
        a.mov(ch, __byte_ptr.es[di]);
    })
    {
        Arrange = machine => machine.Memory.TrackDirty(),
        Respond = (machine, ref exit) =>
        {
            if (exit.Reason == ExitReason.IoInstruction && exit.Port == GatePort)
            {
                machine.SetAddressLine20(enabled: (exit.Data & 1) != 0);
            }

            return GuestMachine.Default(exit);
        },
        Check = machine =>
        {
            Assert.Equal(0x1111UL, machine.Processor.Registers.Rbx & 0xFFFF);
            Assert.Equal(0x2233UL, machine.Processor.Registers.Rcx & 0xFFFF);
            int[] dirty = machine.Memory.TakeDirtyPages();
            Assert.Contains(0, dirty);
            Assert.Contains(0x100, dirty);
        },
    };

    private static Guest LongWidths => new("device memory of all widths, long mode", GuestMode.Long, a =>
    {
        a.mov(rbp, (long)GuestLayout.Device);
        a.mov(rax, 0x1122_3344_5566_7788L);
        a.mov(__byte_ptr[rbp], al);
        a.mov(__word_ptr[rbp + 2], ax);
        a.mov(__dword_ptr[rbp + 4], eax);
        a.mov(__qword_ptr[rbp + 8], rax);
        a.mov(__dword_ptr[rbp + 16], 0x1234);
        a.mov(bl, __byte_ptr[rbp]);
        a.mov(cx, __word_ptr[rbp + 2]);
        a.mov(esi, __dword_ptr[rbp + 4]);
        a.mov(rdi, __qword_ptr[rbp + 8]);
        a.movzx(r8d, __byte_ptr[rbp + 1]);
        a.movsx(r9, __word_ptr[rbp + 6]);
        a.movsxd(r10, __dword_ptr[rbp + 12]);
    })
    {
        Respond = Answer,
        Check = machine =>
        {
            GuestRegisters registers = machine.Processor.Registers;
            Assert.Equal(0xF8UL, registers.Rbx & 0xFF);
            Assert.Equal(0xF1F8UL, registers.Rcx & 0xFFFF);
            Assert.Equal(0xF3F2_F1F8UL, registers.Rsi);
            Assert.Equal(0x8765_4321_F3F2_F1F8UL, registers.Rdi);
            Assert.Equal(0xF8UL, registers.R8);
            Assert.Equal(0xFFFF_FFFF_FFFF_F1F8UL, registers.R9);
            Assert.Equal(0xFFFF_FFFF_F3F2_F1F8UL, registers.R10);
            Assert.Equal(12, machine.Transcript.Lines.Count(line => line.StartsWith("EptViolation", StringComparison.Ordinal)));
        },
    };

    private static Guest ProtectedWidths => new("device memory of all widths, protected mode", GuestMode.Protected, a =>
    {
        a.mov(ebp, (uint)GuestLayout.Device);
        a.mov(eax, 0x5566_7788);
        a.mov(__byte_ptr[ebp], al);
        a.mov(__word_ptr[ebp + 2], ax);
        a.mov(__dword_ptr[ebp + 4], eax);
        a.mov(bl, __byte_ptr[ebp]);
        a.mov(cx, __word_ptr[ebp + 2]);
        a.mov(esi, __dword_ptr[ebp + 4]);
    })
    {
        Respond = Answer,
        Check = machine => Assert.Equal(0xF3F2_F1F8UL, machine.Processor.Registers.Rsi),
    };

    private static Guest ReadModifyWrite => new("an instruction that reads and writes device memory", GuestMode.Long, a =>
    {
        a.mov(rbp, (long)GuestLayout.Device);
        a.mov(eax, 7);
        a.add(__dword_ptr[rbp], eax);
        a.or(__byte_ptr[rbp + 1], 1);
        a.mov(ebx, __dword_ptr[rbp + 8]);
        a.cmp(__dword_ptr[rbp + 12], 1);
        a.not(__word_ptr[rbp + 16]);
    })
    {
        Respond = Answer,
        Check = machine =>
        {
            Assert.Equal(0xF3F2_F1F8UL, machine.Processor.Registers.Rbx);
            Assert.Contains(machine.Transcript.Lines, line => line.Contains("Write 0xf3f2f1ff", StringComparison.Ordinal));
        },
    };

    private static Guest DeviceStrings => new("string instructions on device memory", GuestMode.Long, a =>
    {
        a.cld();
        a.mov(rdi, (long)GuestLayout.Device);
        a.mov(eax, 0x5A5A);
        a.mov(ecx, 3);
        a.rep.stosw();
        a.mov(rsi, (long)GuestLayout.Device + 0x40);
        a.mov(edi, (uint)GuestLayout.Data);
        a.mov(ecx, 3);
        a.rep.movsd();
        a.mov(esi, (uint)GuestLayout.Data);
        a.mov(edi, (uint)GuestLayout.Device + 0x80);
        a.mov(ecx, 2);
        a.rep.movsb();
        a.mov(esi, (uint)GuestLayout.Device);
        a.lodsd();
        a.mov(ebx, eax);
    })
    {
        Respond = Answer,
        Check = machine =>
        {
            Assert.Equal("F8F1F2F3F8F1F2F3F8F1F2F3", Convert.ToHexString(machine.Memory.Bytes.Slice((int)GuestLayout.Data, 12)));
            Assert.Equal(0xF3F2_F1F8UL, machine.Processor.Registers.Rbx);
        },
    };

    private static Guest Rom => new("ROM is read without an exit and written with one", GuestMode.Long, a =>
    {
        a.mov(ebp, (uint)GuestRam.Rom);
        a.mov(ebx, __dword_ptr[rbp]);
        a.mov(__dword_ptr[rbp], 0x1111);
        a.mov(ecx, __dword_ptr[rbp]);
    })
    {
        Arrange = machine => new byte[] { 0xEF, 0xBE, 0xAD, 0xDE }.CopyTo(machine.Memory.RomBytes),
        Check = machine =>
        {
            Assert.Equal(0xDEAD_BEEFUL, machine.Processor.Registers.Rbx);
            Assert.Equal(0xDEAD_BEEFUL, machine.Processor.Registers.Rcx);
            Assert.StartsWith("EptViolation Write 0x800000 4 bytes Write 0x1111", machine.Transcript.Lines[0]);
        },
    };

    private static Guest SelfModifying => new("code that writes the next instruction", GuestMode.Long, a =>
    {
        // The 4 bytes of the immediate of MOV ECX, imm32 follow its opcode.
        Iced.Intel.Label target = a.CreateLabel();
        a.lea(rdi, __[target]);
        a.mov(__dword_ptr[rdi + 1], 0x600D);
        a.Label(ref target);
        a.mov(ecx, 0xBAD);
    })
    {
        Check = machine => Assert.Equal(0x600DUL, machine.Processor.Registers.Rcx),
    };

    private static Guest PatchedLoop => new("a loop whose body changes in every round", GuestMode.Long, a =>
    {
        Iced.Intel.Label loop = a.CreateLabel(), body = a.CreateLabel();
        a.xor(ebx, ebx);
        a.mov(ecx, 100);
        a.lea(rdi, __[body]);
        a.Label(ref loop);
        a.mov(__dword_ptr[rdi + 2], ecx); // ADD EBX, imm32 is 81 C3 and the immediate
        a.Label(ref body);
        a.add(ebx, 0x7777_7777);
        a.dec(ecx);
        a.jne(loop);
    })
    {
        Check = machine => Assert.Equal(5050UL, machine.Processor.Registers.Rbx),
    };

    // Device memory reads as a pattern that repeats every 4 bytes, with a top half for whole quadwords.
    private static VmExitAction Answer(GuestMachine machine, ref VmExit exit)
    {
        if (exit.Access == VmExitAccess.Read)
        {
            exit.Data = exit.Width == 8 ? 0x8765_4321_F3F2_F1F8 : 0xF3F2_F1F8;
        }

        return GuestMachine.Default(exit);
    }
}
