using System.Numerics;
using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

/// <summary>Accesses with everything that the fast path leaves out. All of an access is checked before any of it is done.</summary>
internal sealed unsafe partial class Mmu
{
    /// <summary>Reads for the current instruction; false: return <see cref="FailureOutcome"/>.</summary>
    public bool Read(ulong linear, Span<byte> destination, bool stack = false) =>
        Check(linear, destination.Length, stack) && Read(linear, destination, LinearAccess.Explicit(_state, AccessKind.Read));

    /// <summary>Reads with the rights of a write: the first half of a read-modify-write.</summary>
    public bool ReadForWrite(ulong linear, Span<byte> destination) =>
        Check(linear, destination.Length, stack: false) && Read(linear, destination, LinearAccess.Explicit(_state, AccessKind.Write));

    /// <summary>Writes for the current instruction.</summary>
    public bool Write(ulong linear, ReadOnlySpan<byte> source, bool stack = false) =>
        Check(linear, source.Length, stack) && Write(linear, source, LinearAccess.Explicit(_state, AccessKind.Write));

    /// <summary>Checks that a write would succeed, without writing, and fills the TLB for it; device memory counts as writable.</summary>
    public bool ProbeWrite(ulong linear, int size, bool stack = false)
    {
        if (!Check(linear, size, stack))
        {
            return false;
        }

        LinearAccess access = LinearAccess.Explicit(_state, AccessKind.Write);
        Translation* page = Translate(linear, access);
        if (page == null)
        {
            return false;
        }

        if (Crosses(linear, size))
        {
            return Translate(NextPage(linear), access) != null;
        }

        Fill(linear, page, access);
        return true;
    }

    /// <summary>Reads as the processor itself, whatever the CPL: descriptor tables, TSS, IDT.</summary>
    public bool ReadSupervisor<T>(ulong linear, out T value) where T : unmanaged
    {
        Unsafe.SkipInit(out value);
        return Canonical(linear, sizeof(T), stack: false)
            && Read(linear, new Span<byte>(Unsafe.AsPointer(ref value), sizeof(T)), new LinearAccess(AccessKind.Read, false, true));
    }

    /// <summary>Writes as the processor itself.</summary>
    public bool WriteSupervisor<T>(ulong linear, T value) where T : unmanaged =>
        Canonical(linear, sizeof(T), stack: false)
        && Write(linear, new ReadOnlySpan<byte>(&value, sizeof(T)), new LinearAccess(AccessKind.Write, false, true));

    /// <summary>
    /// Drops the decoded code of a range within a page that is about to be overwritten. The host address for the write when
    /// the page then takes plain writes, else null; no fault is raised.
    /// </summary>
    public byte* ClearForWrite(ulong linear, int length)
    {
        if (IsGuarded || !IsCanonical(linear))
        {
            return null;
        }

        LinearAccess access = LinearAccess.Explicit(_state, AccessKind.Write);
        Translation* page = _translations.Find(linear & Tlb.PageMask);
        if (page == null || page->Host == null || !access.IsAllowed(_state, page->Flags) || !EptAllows(page->Flags, AccessKind.Write)
            || (page->Flags & PageFlags.Dirty) == 0)
        {
            return null;
        }

        byte* host = page->Host + (linear & 0xFFF);
        _physical.Memory.CodeWritten(LogicalProcessor.Of(_state), (ulong)host, length);
        Fill(linear, page, access);
        return LinearMemory.WritePointer<byte>(_state, linear);
    }

    private bool Read(ulong linear, Span<byte> destination, in LinearAccess access)
    {
        Translation* page = Translate(linear, access);
        if (page == null)
        {
            return false;
        }

        if (!Crosses(linear, destination.Length))
        {
            Fill(linear, page, access);
            return ReadPage(*page, linear, destination);
        }

        Translation first = *page;
        ulong next = NextPage(linear);
        Translation* second = Translate(next, access);
        if (second == null)
        {
            return false;
        }

        int left = (int)(0x1000 - (linear & 0xFFF));
        return ReadPage(first, linear, destination[..left]) && ReadPage(*second, next, destination[left..]);
    }

    private bool Write(ulong linear, ReadOnlySpan<byte> source, in LinearAccess access)
    {
        Translation* page = Translate(linear, access);
        if (page == null)
        {
            return false;
        }

        if (!Crosses(linear, source.Length))
        {
            Fill(linear, page, access);
            return WritePage(*page, linear, source);
        }

        Translation first = *page;
        ulong next = NextPage(linear);
        Translation* second = Translate(next, access);
        if (second == null)
        {
            return false;
        }

        int left = (int)(0x1000 - (linear & 0xFFF));
        return WritePage(first, linear, source[..left]) && WritePage(*second, next, source[left..]);
    }

    // Entries hold for accesses of the current privilege; accesses of the processor itself leave none.
    private void Fill(ulong linear, Translation* page, in LinearAccess access)
    {
        if (IsGuarded || access.IsImplicit || page->Host == null)
        {
            return;
        }

        ulong linearPage = linear & Tlb.PageMask;
        ReadMisses += access.Kind == AccessKind.Read ? 1 : 0;
        if ((page->Flags & PageFlags.EptRead) != 0)
        {
            _context.ReadTable(Privilege).Fill(linearPage, page->Host);
        }

        if (access.Kind == AccessKind.Write && TakesPlainWrites(page))
        {
            WriteMisses++;
            _physical.MarkDirty(page->Physical);
            _context.WriteTable(Privilege).Fill(linearPage, page->Host);
        }
    }

    private bool TakesPlainWrites(Translation* page) =>
        (page->Flags & PageFlags.ReadOnly) == 0 && !_physical.Memory.HasCode((ulong)page->Host);

    private bool ReadPage(in Translation page, ulong linear, Span<byte> destination)
    {
        if (IsGuarded && WatchesData)
        {
            Watch(linear, destination.Length, write: false);
        }

        ulong offset = linear & 0xFFF;
        if (page.Host != null)
        {
            fixed (byte* target = destination)
            {
                Copy(page.Host + offset, target, destination.Length);
            }

            return true;
        }

        _journal?.NoteDevice();
        Sync();
        for (int done = 0; done < destination.Length;)
        {
            int width = DeviceWidth(offset + (ulong)done, destination.Length - done);
            Outcome outcome = _exits.DeviceRead(
                LogicalProcessor.Of(_state), page.GuestPhysical + offset + (ulong)done, linear + (ulong)done, width, out ulong data);
            if (outcome != Outcome.Next)
            {
                FailureOutcome = outcome;
                return false;
            }

            new ReadOnlySpan<byte>(&data, width).CopyTo(destination[done..]);
            done += width;
        }

        return true;
    }

    private bool WritePage(in Translation page, ulong linear, ReadOnlySpan<byte> source)
    {
        if (IsGuarded && WatchesData)
        {
            Watch(linear, source.Length, write: true);
        }

        ulong offset = linear & 0xFFF;
        if (page.Host != null && (page.Flags & PageFlags.ReadOnly) == 0)
        {
            _journal?.Note(page.Host + offset, source.Length);
            _physical.MarkDirty(page.Physical);
            fixed (byte* from = source)
            {
                Copy(from, page.Host + offset, source.Length);
            }

            _physical.Memory.CodeWritten(LogicalProcessor.Of(_state), (ulong)(page.Host + offset), source.Length);
            return true;
        }

        _journal?.NoteDevice();
        Sync();
        for (int done = 0; done < source.Length;)
        {
            int width = DeviceWidth(offset + (ulong)done, source.Length - done);
            ulong data = 0;
            source.Slice(done, width).CopyTo(new Span<byte>(&data, 8));
            Outcome outcome = _exits.DeviceWrite(
                LogicalProcessor.Of(_state), page.GuestPhysical + offset + (ulong)done, linear + (ulong)done, width, data);
            if (outcome != Outcome.Next)
            {
                FailureOutcome = outcome;
                return false;
            }

            done += width;
        }

        return true;
    }

    // One host access where the guest makes one: another processor must not see halves.
    private static void Copy(byte* from, byte* to, int size)
    {
        switch (size)
        {
            case 1:
                *to = *from;
                break;
            case 2:
                Unsafe.WriteUnaligned(to, Unsafe.ReadUnaligned<ushort>(from));
                break;
            case 4:
                Unsafe.WriteUnaligned(to, Unsafe.ReadUnaligned<uint>(from));
                break;
            case 8:
                Unsafe.WriteUnaligned(to, Unsafe.ReadUnaligned<ulong>(from));
                break;
            default:
                Buffer.MemoryCopy(from, to, size, size);
                break;
        }
    }

    // The access whole when it is one that devices know, else the largest aligned part.
    private static int DeviceWidth(ulong offset, int left)
    {
        if (left is 1 or 2 or 4 or 8)
        {
            return left;
        }

        int width = Math.Min(8, (int)BitOperations.RoundUpToPowerOf2((uint)left + 1) / 2);
        return offset == 0 ? width : Math.Min(width, 1 << Math.Min(3, BitOperations.TrailingZeroCount(offset)));
    }

    private void Sync()
    {
        if (_state->CurrentInstruction != null)
        {
            _state->Rip = _state->CurrentInstruction->Rip;
        }
    }

    private static bool Crosses(ulong linear, int size) => (linear & 0xFFF) + (ulong)size > 0x1000;

    private ulong NextPage(ulong linear)
    {
        ulong next = (linear | 0xFFF) + 1;
        return In64BitMode ? next : (uint)next;
    }

    private bool Check(ulong linear, int size, bool stack)
    {
        if (!Canonical(linear, size, stack))
        {
            return false;
        }

        if (!IsGuarded)
        {
            return true;
        }

        if (ChecksAlignment && (linear & AlignmentMask(size)) != 0)
        {
            FailureOutcome = Faults.Raise(_state, ExceptionVector.AlignmentCheck, 0);
            return false;
        }

        return true;
    }

    private bool Canonical(ulong linear, int size, bool stack)
    {
        if (!In64BitMode || (IsCanonical(linear) && IsCanonical(linear + (ulong)size - 1)))
        {
            return true;
        }

        Instruction* i = _state->CurrentInstruction;
        bool stackFault = stack || (i != null && (i->Flags & InstructionFlags.StackSegment) != 0);
        FailureOutcome = Faults.Raise(_state, stackFault ? ExceptionVector.StackSegmentFault : ExceptionVector.GeneralProtection, 0);
        return false;
    }
}
