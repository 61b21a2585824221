using Iced.Intel;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Decode;

/// <summary>
/// Decodes blocks. A block holds only instructions that lie wholly in its page; one that crosses into the next page is a
/// block of its own, so that a fetch fault can only come from a block's first instruction.
/// </summary>
internal sealed unsafe class BlockDecoder
{
    private readonly CpuState* _state;
    private readonly Mmu _mmu;
    private readonly HandlerTable _handlers;
    private readonly PageReader _reader = new();
    private readonly Decoder[] _decoders;

    public BlockDecoder(CpuState* state, Mmu mmu, HandlerTable handlers)
    {
        _state = state;
        _mmu = mmu;
        _handlers = handlers;
        _decoders = [Decoder.Create(16, _reader), Decoder.Create(32, _reader), Decoder.Create(64, _reader)];
    }

    /// <summary>Decodes the block at RIP, which is at <paramref name="code"/>, into <paramref name="block"/>; false: a fault was raised.</summary>
    public bool Decode(Block* block, in FetchTarget code, uint mode)
    {
        ulong linear = BlockCache.LinearRip(_state);
        byte* start = code.Host;
        byte* pageEnd = start + (0x1000 - (int)(linear & 0xFFF));
        byte* end = pageEnd;
        bool limited = (mode & BlockMode.Limited) != 0;
        if (limited && !ClipToLimit(start, ref end))
        {
            return false;
        }

        *block = new Block
        {
            Rip = _state->Rip,
            Place = code.Place,
            SecondPage = Block.NoPage,
            Mode = mode,
            DecodedMode = mode,
            CodeLimit = _state->Cs.Limit,
        };
        Decoder decoder = _decoders[mode & BlockMode.SizeMask];
        _reader.Start(start, end);
        decoder.IP = _state->Rip;
        Instruction* slot = Block.First(block);
        int limit = (mode & BlockMode.Single) != 0 ? 1 : BlockPool.MaximumInstructions;
        BlockEnding ending = BlockEnding.None;
        int count = 0;
        while (count < limit && ending == BlockEnding.None && start + block->Length < end)
        {
            _reader.BeginInstruction();
            decoder.Decode(out Iced.Intel.Instruction source);
            if (decoder.LastError == DecoderError.NoMoreBytes)
            {
                if (count != 0)
                {
                    break;
                }

                if (end != pageEnd || EndsAtLimit(block, linear))
                {
                    return Fault(ExceptionVector.GeneralProtection);
                }

                if (!DecodeCrossing(block, decoder, start, end, linear, out source))
                {
                    return false;
                }
            }

            ending = Append(block, slot, source, count, mode, decoder.LastError != DecoderError.None);
            count++;
            slot++;
            if (source.Code == Code.Sti && count < limit && AppendShadowedNop(block, slot, source, count, decoder))
            {
                count++;
            }
        }

        return Finish(block, slot, count, ending);
    }

    // An instruction must end within the limit of CS (SDM Vol. 3A 5.3).
    private bool ClipToLimit(byte* start, ref byte* end)
    {
        if (_state->Rip > _state->Cs.Limit)
        {
            return Fault(ExceptionVector.GeneralProtection);
        }

        ulong left = _state->Cs.Limit - _state->Rip + 1;
        if (left < (ulong)(end - start))
        {
            end = start + left;
        }

        return true;
    }

    // Whether the limit of CS is the end of the page: it comes before what the next page has to say.
    private bool EndsAtLimit(Block* block, ulong linear) =>
        (block->Mode & BlockMode.Limited) != 0 && _state->Cs.Limit - _state->Rip == (~linear & 0xFFF);

    private bool DecodeCrossing(Block* block, Decoder decoder, byte* start, byte* end, ulong linear, out Iced.Intel.Instruction source)
    {
        source = default;
        if (!_mmu.TranslateFetch(BlockCache.NextPage(_state, linear), out FetchTarget second))
        {
            return false;
        }

        _reader.StartCrossing(start, end, second.Host);
        decoder.IP = _state->Rip;
        decoder.Decode(out source);
        block->SecondPage = second.Place & ~0xFFFUL;
        return (block->Mode & BlockMode.Limited) == 0 || _state->Rip + (ulong)source.Length - 1 <= _state->Cs.Limit
            || Fault(ExceptionVector.GeneralProtection);
    }

    private BlockEnding Append(
        Block* block, Instruction* slot, in Iced.Intel.Instruction source, int count, uint mode, bool invalid)
    {
        BlockEnding ending;
        if (invalid)
        {
            *slot = new Instruction { Execute = TooLong(source) ? &Block.TooLong : _handlers.Find(Code.INVALID, false), Length = 1 };
            ending = BlockEnding.System;
        }
        else
        {
            InstructionTranslator.Translate(source, slot, mode, _handlers);
            KeepX87Opcode(slot);
            ending = InstructionForms.Ending(source);
        }

        slot->Rip = block->Rip + block->Length;
        slot->Ordinal = (byte)count;
        slot->Weight = 1;
        block->Length += (ushort)(invalid ? Math.Max(1, source.Length) : source.Length);
        if (block->SecondPage != Block.NoPage && ending == BlockEnding.None)
        {
            ending = BlockEnding.System;
        }

        return ending;
    }

    // STI ends a block; a NOP behind it goes with it.
    private bool AppendShadowedNop(Block* block, Instruction* slot, in Iced.Intel.Instruction sti, int count, Decoder decoder)
    {
        _reader.BeginInstruction();
        decoder.Decode(out Iced.Intel.Instruction next);
        if (decoder.LastError != DecoderError.None || !InstructionFusion.IsShadowedNop(sti, next, block->Mode))
        {
            return false;
        }

        Append(block, slot, next, count, block->Mode, invalid: false);
        InstructionFusion.FuseShadow(slot - 1, slot);
        return true;
    }

    // FOP: the low three bits of the first opcode byte, then the ModR/M byte (SDM Vol. 1 8.1.9.1).
    private void KeepX87Opcode(Instruction* slot)
    {
        ReadOnlySpan<byte> bytes = _reader.InstructionBytes;
        int opcode = 0;
        bool has64BitPrefixes = (slot->Flags & InstructionFlags.Code64) != 0;
        while (opcode < bytes.Length - 1 && IsPrefix(bytes[opcode], has64BitPrefixes))
        {
            opcode++;
        }

        if (opcode < bytes.Length - 1 && (bytes[opcode] & 0xF8) == 0xD8)
        {
            slot->Immediate = (ulong)(bytes[opcode] & 7) << 8 | bytes[opcode + 1];
        }
    }

    private static bool IsPrefix(byte value, bool in64BitMode) =>
        value is 0x26 or 0x2E or 0x36 or 0x3E or (>= 0x64 and <= 0x67) or 0xF0 or 0xF2 or 0xF3 || (in64BitMode && (value & 0xF0) == 0x40);

    // Iced reads no more than 15 bytes; an instruction that has not ended by then is too long whatever follows.
    private static bool TooLong(in Iced.Intel.Instruction source) => source.Length >= 15;

    private bool Finish(Block* block, Instruction* slot, int count, BlockEnding ending)
    {
        block->Linkable = (byte)(ending == BlockEnding.System || (block->Mode & BlockMode.Single) != 0 ? 0 : 1);
        if (count > 1 && ending == BlockEnding.NearBranch && InstructionFusion.TryFuse(slot - 2, slot - 1, block->Mode))
        {
            slot--;
        }

        *slot = new Instruction
        {
            Execute = &Block.End,
            Rip = (block->Mode & BlockMode.SizeMask) == BlockMode.Code64 ? block->Rip + block->Length : (uint)(block->Rip + block->Length),
            Ordinal = (byte)count,
            Base = CpuState.ZeroOffset,
            Index = CpuState.ZeroOffset,
        };
        block->SlotCount = (ushort)(slot + 1 - Block.First(block));
        return true;
    }

    private bool Fault(ExceptionVector vector)
    {
        Faults.Raise(_state, vector, 0);
        return false;
    }
}
